// Controls around the drawing: stage, field, cut, layers, deformation, views, reading of values.
"use strict";

const AXES = { none: -1, sagittal: 0, coronal: 1, axial: 2 };
const CAMERAS = { anterior: [0, 0], "left lateral": [90, 0], posterior: [180, 0], superior: [180, 89.9], oblique: [52, 16] };
const LAYERS = { bone: true, cement: true, needles: true, endplates: false, caps: false };

function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}

function number(value) {
  if (!(Math.abs(value) > 0)) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))) - 1);
  return value.toFixed(Math.min(digits, 6));
}

class Viewer {
  // panes: list of {scene, stage} with scene from `unpack`.
  constructor(place, panes, options = {}) {
    this.place = place;
    this.panes = panes;
    this.layers = { ...LAYERS };
    this.state = { field: "von_mises", axis: "sagittal", cut: 0.5, magnify: 0, least: 0, opacity: 1, paint: false, ...options };
    place.classList.add("viewer");
    this.canvas = element("canvas", { role: "img", "aria-label": "Interactive 3-D view; drag to turn" });
    this.drawing = new Drawing(this.canvas);
    panes.forEach((pane) => this.drawing.add(pane.scene));
    this.heads = element("div", { class: "heads" });
    this.letters = element("div", { class: "letters" });
    this.readout = element("div", { class: "readout" });
    this.scale = element("div", { class: "scale" });
    this.stage = element("div", { class: "stage" }, this.canvas, this.heads, this.letters, this.readout, this.scale);
    this.controls = element("div", { class: "controls" });
    place.replaceChildren(this.controls, this.stage);
    this._build();
    this._listen();
    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.draw();
  }

  setPanes(panes) {
    this.panes = panes;
    panes.forEach((pane) => this.drawing.add(pane.scene));
    this._build();
    this.draw();
  }

  fields() {
    const all = this.panes.flatMap((p) => p.scene.fields);
    return all.filter((f, k) => all.findIndex((g) => g.name === f.name) === k);
  }

  // One scale for all panes: ends over all scenes.
  range() {
    const found = this.panes.map((p) => p.scene.fields.find((f) => f.name === this.state.field)).filter(Boolean);
    if (!found.length) return null;
    // Two studies may have been loaded differently: each is shown at its own standing load.
    const same = found.every((f) => f.label === found[0].label);
    const label = same ? found[0].label : found[0].label.replace(/ at \d+ N$/, " at standing load");
    return { ...found[0], label, low: Math.min(...found.map((f) => f.low)), high: Math.max(...found.map((f) => f.high)) };
  }

  look() {
    const range = this.range();
    const t = (value) => (range.log ? Math.log(value) : value);
    const whole = range ? t(range.high) - t(range.low) : 1;
    return {
      field: this.state.field,
      axis: AXES[this.state.axis],
      cut: this.state.cut,
      magnify: this.state.magnify,
      opacity: this.state.opacity,
      paint: this.state.paint,
      shown: this.layers,
      scale: (field) => {
        if (!field) return [0, 0];
        const step = (t(field.high) - t(field.low)) / 254 / whole;
        return [step, (t(field.low) - t(range.low)) / whole - step];
      },
      least: (pane, field) => {
        if (!field || this.state.least <= 0) return 0;
        const wanted = t(range.low) + this.state.least * whole;
        return 1 + (254 * (wanted - t(field.low))) / (t(field.high) - t(field.low));
      },
    };
  }

  valueOf(pane, name, byte) {
    const field = pane.scene.fields.find((f) => f.name === name);
    if (!field || byte < 1) return null;
    const share = (byte - 1) / 254;
    const value = field.log ? field.low * (field.high / field.low) ** share : field.low + share * (field.high - field.low);
    const mark = byte === 255 ? "≥ " : byte === 1 && field.log ? "≤ " : "";
    return `${mark}${number(value)} ${field.unit}`;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (!this.canvas.clientWidth) return;
      this.drawing.draw(this.panes, this.look());
      this._letters();
    });
  }

  set(change) {
    Object.assign(this.state, change);
    this._scale();
    this.draw();
  }

  view(name) {
    const camera = this.drawing.camera;
    [camera.azimuth, camera.elevation] = CAMERAS[name];
    camera.zoom = CLOSE;
    camera.pan = [0, 0];
    this.draw();
  }

  _build() {
    const state = this.state;
    if (!this.fields().some((f) => f.name === state.field)) state.field = this.fields()[0]?.name;
    const select = (label, key, options) => {
      const box = element("select", { "aria-label": label });
      for (const [value, text] of options) box.append(element("option", { value }, text));
      box.value = state[key];
      box.onchange = () => this.set({ [key]: box.value });
      return element("label", {}, element("span", {}, label), box);
    };
    const slider = (label, key, max, step, show) => {
      const box = element("input", { type: "range", min: "0", max: String(max), step: String(step), "aria-label": label });
      const said = element("output", {}, show(state[key]));
      box.value = state[key];
      box.oninput = () => { this.set({ [key]: Number(box.value) }); said.value = show(state[key]); };
      return element("label", {}, element("span", {}, label), box, said);
    };
    const percent = (v) => `${Math.round(100 * v)} %`;
    const layers = element("div", { class: "layers" });
    const there = new Set(this.panes.flatMap((p) => p.scene.stages.flatMap((s) => s.meshes.map((m) => m.name))));
    for (const name of Object.keys(LAYERS).filter((n) => there.has(n))) {
      const box = element("input", { type: "checkbox", checked: this.layers[name] });
      box.onchange = () => { this.layers[name] = box.checked; this.draw(); };
      layers.append(element("label", {}, box, name));
    }
    const paint = element("input", { type: "checkbox", checked: state.paint });
    paint.onchange = () => this.set({ paint: paint.checked });
    layers.append(element("label", {}, paint, "field on bone"));
    const views = element("div", { class: "views" });
    for (const name of Object.keys(CAMERAS)) {
      const button = element("button", { type: "button" }, name);
      button.onclick = () => this.view(name);
      views.append(button);
    }
    this.controls.replaceChildren(
      select("Field", "field", this.fields().map((f) => [f.name, f.label])),
      select("Cut", "axis", Object.keys(AXES).map((a) => [a, a])),
      slider("at", "cut", 1, 0.005, percent),
      slider("Deformation ×", "magnify", 200, 5, (v) => String(v)),
      slider("Hide below", "least", 1, 0.02, (v) => this._leastWords(v)),
      ...this._time(slider), layers, views, this._coarse());
    this._heads();
    this._scale();
  }

  // A slider over what steps recorded, each from its own start; the last place shows the end.
  _time(slider) {
    const last = Math.max(0, ...this.panes.flatMap((p) => p.scene.stages.flatMap((s) => s.times_s || [])));
    if (!last) return [];
    this.state.time = Math.min(this.state.time ?? last, last);
    const box = slider("Time", "time", last, last / 200, (t) => (t < last ? `${Math.round(t)} s` : "end"));
    const go = () => {
      for (const pane of this.panes) pane.time = this.state.time < last ? this.state.time : null;
      this.draw();
    };
    box.querySelector("input").addEventListener("input", go);
    go();
    return [box];
  }

  // Says so where a page holds means over blocks of voxels.
  _coarse() {
    const k = Math.max(...this.panes.flatMap((p) => p.scene.stages.map((s) => s.coarsened || 1)));
    return k > 1 ? element("span", { class: "coarse" }, `means over blocks of ${k} × ${k} × ${k} voxels`) : "";
  }

  _leastWords(share) {
    const range = this.range();
    if (!range || share <= 0) return "off";
    const value = range.log ? range.low * (range.high / range.low) ** share : range.low + share * (range.high - range.low);
    return `${number(value)} ${range.unit}`;
  }

  _heads() {
    this.heads.replaceChildren(...this.panes.map((pane) => {
      const box = element("select", { "aria-label": "Stage" });
      pane.scene.stages.forEach((stage, k) => box.append(element("option", { value: String(k) }, stage.name.replaceAll("_", " "))));
      box.value = String(pane.stage);
      box.onchange = () => { pane.stage = Number(box.value); this.draw(); };
      const title = pane.title ? element("span", {}, pane.title) : "";
      return element("div", {}, title, box);
    }));
  }

  _scale() {
    const range = this.range();
    if (!range) { this.scale.replaceChildren(); return; }
    const pane = this.panes.find((p) => p.scene.fields.some((f) => f.name === range.name));
    const bytes = arrayOf(pane.scene, Uint8Array, pane.scene.fields.find((f) => f.name === range.name).colours, 768);
    const stops = [];
    for (let k = 0; k < 256; k += 15) stops.push(`rgb(${bytes[3 * k]},${bytes[3 * k + 1]},${bytes[3 * k + 2]})`);
    const bar = element("div", { class: "bar" });
    bar.style.background = `linear-gradient(to right, ${stops.join(",")})`;
    const ticks = element("div", { class: "ticks" });
    for (const value of this._ticks(range)) {
      const share = range.log ? Math.log(value / range.low) / Math.log(range.high / range.low) : (value - range.low) / (range.high - range.low);
      const tick = element("span", {}, String(Number(value.toPrecision(6))));
      tick.style.left = `${100 * share}%`;
      ticks.append(tick);
    }
    this.scale.replaceChildren(element("div", { class: "label" }, `${range.label} (${range.unit})`), bar, ticks);
  }

  _ticks(range) {
    if (!range.log) return [0, 0.25, 0.5, 0.75, 1].map((s) => range.low + s * (range.high - range.low));
    const found = [];
    for (let d = Math.floor(Math.log10(range.low)); d <= Math.ceil(Math.log10(range.high)); d++) {
      for (const m of [1, 2, 5]) {
        const value = m * 10 ** d;
        if (value >= range.low * 0.999 && value <= range.high * 1.001) found.push(value);
      }
    }
    return found.length > 7 ? found.filter((v) => /^[15]/.test(v.toExponential())) : found;
  }

  // A small cross of directions in the corner of every pane.
  _letters() {
    const { right, up, towards } = this.drawing.camera.basis();
    const ends = [["L", [1, 0, 0]], ["R", [-1, 0, 0]], ["P", [0, 1, 0]], ["A", [0, -1, 0]], ["S", [0, 0, 1]], ["I", [0, 0, -1]]];
    this.letters.replaceChildren(...this.panes.map((_, k) => {
      const rose = element("div", { class: "rose" });
      rose.style.left = `calc(${(100 * k) / this.panes.length}% + 34px)`;
      for (const [letter, axis] of ends) {
        const depth = dot3(axis, towards);
        if (depth < -0.15) continue;
        const mark = element("span", {}, letter);
        mark.style.transform = `translate(${24 * dot3(axis, right)}px, ${-24 * dot3(axis, up)}px)`;
        rose.append(mark);
      }
      return rose;
    }));
  }

  _pane(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    const k = Math.min(Math.floor(x * this.panes.length), this.panes.length - 1);
    const aspect = box.width / this.panes.length / box.height;
    return { pane: this.panes[k], share: [x * this.panes.length - k, y], aspect };
  }

  _read(event) {
    const { pane, share, aspect } = this._pane(event);
    const index = this.drawing.place(pane, this.look(), share, aspect, this.panes);
    const isBone = index && this.drawing.byte(pane, "_bone", index) + this.drawing.byte(pane, "_cap", index) > 60;
    if (!isBone) { this.readout.textContent = ""; return; }
    const said = pane.scene.fields
      .map((f) => [f.label, this.valueOf(pane, f.name, this.drawing.byte(pane, f.name, index))])
      .filter(([, value]) => value !== null)
      .map(([label, value]) => `${label.replace(/ at \d+ N$/, "")}: ${value}`);
    this.readout.textContent = `${pane.scene.stages[pane.stage].name}, voxel ${index.join(" ")} (x y z)\n${said.join("\n")}`;
  }

  _listen() {
    const camera = this.drawing.camera, touches = new Map();
    let last = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      touches.set(event.pointerId, [event.clientX, event.clientY]);
      last = [event.clientX, event.clientY];
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!touches.has(event.pointerId)) { this._read(event); return; }
      if (touches.size > 1) {
        const before = [...touches.values()], gap = (p) => Math.hypot(p[0][0] - p[1][0], p[0][1] - p[1][1]);
        const was = gap(before);
        touches.set(event.pointerId, [event.clientX, event.clientY]);
        camera.zoom *= gap([...touches.values()]) / Math.max(was, 1);
      } else {
        const dx = event.clientX - last[0], dy = event.clientY - last[1];
        if (event.shiftKey || event.buttons === 2) {
          const perPixel = (2 * this.drawing._radius(this.panes)) / camera.zoom / this.canvas.clientHeight;
          camera.pan = [camera.pan[0] + dx * perPixel, camera.pan[1] - dy * perPixel];
        } else {
          camera.azimuth -= 0.45 * dx;
          camera.elevation = Math.max(-89.9, Math.min(89.9, camera.elevation + 0.45 * dy));
        }
        touches.set(event.pointerId, [event.clientX, event.clientY]);
      }
      last = [event.clientX, event.clientY];
      this.draw();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, (event) => touches.delete(event.pointerId));
    }
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      camera.zoom = Math.max(0.3, Math.min(12, camera.zoom * Math.exp(-0.0015 * event.deltaY)));
      this.draw();
    }, { passive: false });
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.canvas.addEventListener("dblclick", () => this.view("oblique"));
  }
}
