// Chart and table of a sweep's cases.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#8a8a8a"];
const told = JSON.parse(document.getElementById("data").textContent);
const words = (name) => name.replaceAll("_", " ");
const short = (v) => (typeof v === "number" ? String(Number(v.toPrecision(4))) : v === null ? "" : String(v).replaceAll("_", " "));

function make(tag, attributes, ...inside) {
  const isSvg = ["svg", "circle", "line", "text", "path", "g", "title"].includes(tag);
  const made = isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

function steps(low, high) {
  const raw = (high - low) / 5 || 1, unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * [1, 2, 5, 10].find((m) => unit * m >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(10)));
  return found;
}

const state = {};

function axis(name) {
  const at = told.columns.indexOf(name), values = told.rows.map((row) => row[at]).filter((v) => v !== null);
  if (values.some((v) => typeof v !== "number")) {
    const levels = [...new Set(values)];
    return { at, levels, place: (v) => (levels.indexOf(v) + 0.5) / levels.length, ticks: levels };
  }
  let low = Math.min(...values), high = Math.max(...values);
  const pad = 0.05 * (high - low) || 0.5;
  low -= pad; high += pad;
  return { at, place: (v) => (v - low) / (high - low), ticks: steps(low, high) };
}

function colours(name) {
  if (!name) return { of: () => PALETTE[0], key: [] };
  const at = told.columns.indexOf(name), values = [...new Set(told.rows.map((row) => row[at]).filter((v) => v !== null))];
  const isFew = values.length <= PALETTE.length;
  if (isFew) {
    if (values.every((v) => typeof v === "number")) values.sort((a, b) => a - b);
    const of = (row) => (row[at] === null ? "#ccc" : PALETTE[values.indexOf(row[at])]);
    return { of, key: values.map((v, k) => [short(v), PALETTE[k]]) };
  }
  const low = Math.min(...values), high = Math.max(...values);
  const shade = (v) => `hsl(${205 - 165 * ((v - low) / (high - low))} 70% 45%)`;
  return { of: (row) => (row[at] === null ? "#ccc" : shade(row[at])), key: [[short(low), shade(low)], [short(high), shade(high)]] };
}

function draw() {
  const wide = 760, tall = 430, left = 74, right = 16, top = 12, bottom = 50;
  const x = axis(state.x), y = axis(state.y), colour = colours(state.colour);
  const atX = (v) => left + x.place(v) * (wide - left - right), atY = (v) => tall - bottom - y.place(v) * (tall - top - bottom);
  const svg = make("svg", { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": `${words(state.y)} against ${words(state.x)}` });
  for (const tick of x.ticks) {
    svg.append(make("text", { x: atX(tick), y: tall - bottom + 17, "text-anchor": "middle" }, short(tick)));
  }
  for (const tick of y.ticks) {
    svg.append(make("line", { x1: left, x2: wide - right, y1: atY(tick), y2: atY(tick), class: "grid" }),
      make("text", { x: left - 7, y: atY(tick) + 4, "text-anchor": "end" }, short(tick)));
  }
  svg.append(make("text", { x: (left + wide - right) / 2, y: tall - 8, "text-anchor": "middle", class: "name" }, words(state.x)),
    make("text", { transform: `translate(14 ${(tall - bottom + top) / 2}) rotate(-90)`, "text-anchor": "middle", class: "name" }, words(state.y)));
  for (const row of told.rows) {
    if (row[x.at] === null || row[y.at] === null) continue;
    const about = [`case ${row[0]}`, ...[...told.parameters, state.y].map((n) => `${words(n)}: ${short(row[told.columns.indexOf(n)])}`)];
    svg.append(make("circle", { cx: atX(row[x.at]), cy: atY(row[y.at]), r: 4.5, fill: colour.of(row), "fill-opacity": 0.8 },
      make("title", {}, about.join("\n"))));
  }
  const key = make("div", { class: "key" }, ...colour.key.map(([label, shade]) => {
    const dot = make("i", {});
    dot.style.background = shade;
    return make("span", {}, dot, label);
  }));
  document.querySelector("#plot .drawn").replaceChildren(svg, key);
}

function chooser(label, key, names, empty) {
  const box = make("select", { "aria-label": label });
  if (empty) box.append(make("option", { value: "" }, empty));
  for (const name of names) box.append(make("option", { value: name }, words(name)));
  box.value = state[key];
  box.onchange = () => { state[key] = box.value; draw(); };
  return make("label", {}, make("span", {}, `${label} `), box);
}

let order = [0, 1];

function table() {
  const shown = ["case", ...told.parameters, ...told.measured];
  const head = make("tr", {});
  shown.forEach((name, k) => {
    const cell = make("th", { title: told.definitions[name] || name }, words(name));
    cell.onclick = () => { order = [k, order[0] === k ? -order[1] : 1]; table(); };
    head.append(cell);
  });
  const rows = [...told.rows].sort((a, b) => {
    const [p, q] = [a[order[0]], b[order[0]]];
    if (p === null || q === null) return (p === null) - (q === null);
    return order[1] * (typeof p === "number" && typeof q === "number" ? p - q : String(p).localeCompare(String(q)));
  });
  document.querySelector("#table thead").replaceChildren(head);
  document.querySelector("#table tbody").replaceChildren(...rows.map((row) => make("tr", {}, ...row.map((v) =>
    make("td", { class: typeof v === "number" ? "value" : "text" }, short(v))))));
}

function begin() {
  if (!told || !told.rows.length) {
    document.getElementById("plot").textContent = "No case is finished yet.";
    return;
  }
  const isNumber = (name) => told.rows.some((row) => typeof row[told.columns.indexOf(name)] === "number");
  const [first, second] = [...told.parameters].sort((a, b) => isNumber(b) - isNumber(a));
  Object.assign(state, { x: first || "case", y: told.shown, colour: second || "" });
  const controls = make("div", { class: "controls" },
    chooser("Across", "x", [...told.parameters, ...told.measured]),
    chooser("Up", "y", told.measured), chooser("Colour", "colour", told.parameters, "none"));
  document.getElementById("plot").replaceChildren(controls, make("div", { class: "drawn" }));
  draw();
  table();
}

begin();
