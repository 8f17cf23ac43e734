// What a study looks like in WebGL 2: one canvas, one viewport per pane, one camera for all.
"use strict";

const VERTEX = `#version 300 es
precision highp float; precision highp sampler3D;
in vec3 a_position; in vec3 a_normal;
uniform vec3 u_low, u_size, u_box, u_points;
uniform mat4 u_view, u_projection;
uniform sampler3D u_moved; uniform float u_magnify;
out vec3 v_place; out vec3 v_normal; out vec3 v_eye;
void main() {
  v_place = u_low + u_size * a_position;
  vec3 at = (v_place / u_box * (u_points - 1.0) + 0.5) / u_points;
  vec3 place = v_place;
  if (u_magnify != 0.0) place += u_magnify * texture(u_moved, at).xyz;
  vec4 eye = u_view * vec4(place, 1.0);
  v_eye = eye.xyz;
  v_normal = mat3(u_view) * a_normal;
  gl_Position = u_projection * eye;
}`;

const FRAGMENT = `#version 300 es
precision highp float; precision highp sampler3D;
in vec3 v_place; in vec3 v_normal; in vec3 v_eye;
uniform vec3 u_box, u_spacing, u_colour;
uniform float u_opacity, u_least;
uniform int u_kind;                 // 0 plain, 1 field on a surface, 2 cut face
uniform vec4 u_cut;                 // normal and distance of the cut; what lies beyond is not drawn
uniform vec2 u_scale;               // from a byte of this scene to the scale that all panes share
uniform sampler3D u_field, u_bone, u_cap, u_cement;
uniform sampler2D u_colours;
out vec4 colour;

float byteAt(vec3 place) { return round(255.0 * texture(u_field, place / u_box).r); }
vec3 shade(vec3 base) {
  vec3 normal = normalize(v_normal);
  if (dot(normal, v_eye) > 0.0) normal = -normal;
  float lit = 0.42 + 0.50 * max(dot(normal, normalize(vec3(0.25, 0.35, 1.0))), 0.0)
            + 0.12 * max(dot(normal, normalize(vec3(-0.6, 0.5, 0.3))), 0.0);
  return base * lit;
}
vec3 ofByte(float found) {
  return texture(u_colours, vec2(clamp(u_scale.x * found + u_scale.y, 0.002, 0.998), 0.5)).rgb;
}
void main() {
  if (u_kind != 2 && dot(u_cut.xyz, v_place) > u_cut.w) discard;
  vec3 base = u_colour;
  if (u_kind == 2) {
    float bone = texture(u_bone, v_place / u_box).r, cap = texture(u_cap, v_place / u_box).r;
    float cement = texture(u_cement, v_place / u_box).r;
    if (bone + cap < 0.5) discard;
    float found = byteAt(v_place);
    if (bone < cap) { colour = vec4(0.86, 0.87, 0.88, 1.0); return; }
    if (found < 0.5) { colour = vec4(0.93, 0.90, 0.85, 1.0); return; }
    if (found < u_least) discard;
    vec3 shown = ofByte(found);
    float edge = abs(cement - 0.5) / max(fwidth(cement), 1e-4);
    if (bone > 0.3 && edge < 0.9) shown = vec3(0.35, 0.85, 1.0);
    colour = vec4(shown, 1.0);
    return;
  }
  if (u_kind == 1) {
    vec3 normal = normalize(cross(dFdx(v_place), dFdy(v_place)));
    float found = byteAt(v_place);
    for (int k = 1; k < 4 && found < 0.5; k++) {
      found = max(byteAt(v_place + float(k) * 0.5 * u_spacing * normal),
                  byteAt(v_place - float(k) * 0.5 * u_spacing * normal));
    }
    if (found < u_least) discard;
    if (found > 0.5) base = ofByte(found);
  }
  colour = vec4(shade(base), u_opacity);
}`;

// Reading ------------------------------------------------------------------------------------------

async function unpack(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = await new Response(stream).arrayBuffer();
  const length = new DataView(raw).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(raw, 4, length)));
  return { ...head, raw, start: 4 + length };
}

const arrayOf = (scene, Kind, at, count) => new Kind(scene.raw, scene.start + at, count);

// Small linear algebra, column-major ----------------------------------------------------------------

const dot3 = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross3 = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit3 = (a) => a.map((x) => x / Math.hypot(...a));

const CLOSE = 1.45;  // the body fills a pane, the ends of caps and needles may leave it

class Camera {
  constructor() { this.azimuth = 52; this.elevation = 16; this.zoom = CLOSE; this.pan = [0, 0]; }
  // Body axes: x left, y back, z up. Azimuth 0 looks from the front, 90 from the left.
  basis() {
    const a = (this.azimuth * Math.PI) / 180, e = (this.elevation * Math.PI) / 180;
    const towards = [Math.sin(a) * Math.cos(e), -Math.cos(a) * Math.cos(e), Math.sin(e)];
    const right = [Math.cos(a), Math.sin(a), 0];
    return { towards, right, up: cross3(towards, right) };
  }
  matrices(centre, radius, aspect) {
    const { towards, right, up } = this.basis();
    const far = 6 * radius, half = (radius * 1.05) / this.zoom;
    const wide = aspect >= 1 ? half * aspect : half, tall = aspect >= 1 ? half : half / aspect;
    const eye = (axis, shift) => -dot3(axis, centre) + shift;
    const view = [right[0], up[0], towards[0], 0, right[1], up[1], towards[1], 0,
      right[2], up[2], towards[2], 0,
      eye(right, this.pan[0]), eye(up, this.pan[1]), eye(towards, -3 * radius), 1];
    const projection = [1 / wide, 0, 0, 0, 0, 1 / tall, 0, 0, 0, 0, -2 / far, 0, 0, 0, -1, 1];
    return { view, projection, wide, tall };
  }
}

// Drawing ------------------------------------------------------------------------------------------

// The recorded moment nearest to a time; none where no time is asked for.
function nearest(times, time) {
  if (time == null || !times || !times.length) return -1;
  return times.reduce((best, t, k) => (Math.abs(t - time) < Math.abs(times[best] - time) ? k : best), 0);
}


class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true, alpha: false });
    if (!this.gl) throw new Error("this browser offers no WebGL 2");
    this.program = this._program();
    this.scenes = new Map();
    this.grids = [0, 1, 2].map((axis) => this._grid(axis));
    this.camera = new Camera();
  }

  add(scene) {
    if (this.scenes.has(scene)) return;
    const gl = this.gl;
    const stages = scene.stages.map((stage) => {
      const [x, y, z] = stage.shape, count = x * y * z;
      const volumes = {};
      for (const [name, at] of Object.entries(stage.volumes)) {
        const filter = name.startsWith("_") ? gl.LINEAR : gl.NEAREST;
        const bytes = arrayOf(scene, Uint8Array, at, count);
        volumes[name] = { bytes, texture: this._volume([x, y, z], gl.R8, gl.RED, gl.UNSIGNED_BYTE, bytes, filter) };
      }
      const moved = stage.displacement;
      const size = [x + 1, y + 1, z + 1];
      const texture = moved && this._volume(size, gl.RGBA8_SNORM, gl.RGBA, gl.BYTE,
        arrayOf(scene, Int8Array, moved.at, 4 * size[0] * size[1] * size[2]), gl.LINEAR);
      return { ...stage, textures: volumes, moved: texture, drawn: stage.meshes.map((m) => this._mesh(scene, m)) };
    });
    const colours = {};
    for (const field of scene.fields) {
      colours[field.name] = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, colours[field.name]);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE,
        arrayOf(scene, Uint8Array, field.colours, 768));
      for (const [key, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
        [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) {
        gl.texParameteri(gl.TEXTURE_2D, key, value);
      }
    }
    this.scenes.set(scene, { stages, colours });
  }

  // Draws every pane {scene, stage} with one look; returns nothing.
  draw(panes, look) {
    const gl = this.gl, ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.clearColor(1, 1, 1, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const each = Math.floor(width / panes.length);
    panes.forEach((pane, k) => {
      gl.viewport(k * each, 0, each, height);
      this._pane(pane, look, each / height, this._radius(panes));
    });
  }

  place(pane, look, share, aspect, panes) {
    // Where a line of sight meets the cut, in voxels; share is 0..1 within the pane.
    const { stage, box, centre } = this._of(pane);
    const { view, wide, tall } = this.camera.matrices(centre, this._radius(panes), aspect);
    const { towards, right, up } = this.camera.basis();
    const across = (2 * share[0] - 1) * wide - this.camera.pan[0], rise = (1 - 2 * share[1]) * tall - this.camera.pan[1];
    const start = centre.map((c, k) => c + right[k] * across + up[k] * rise);
    if (look.axis < 0 || Math.abs(towards[look.axis]) < 1e-3 || !view) return null;
    const step = (this._cutAt(look, box) - start[look.axis]) / towards[look.axis];
    const found = start.map((s, k) => s + step * towards[k]);
    const index = found.map((f, k) => Math.floor(f / stage.spacing[k]));
    return index.every((i, k) => i >= 0 && i < stage.shape[k]) ? index : null;
  }

  // What a field looks like at the pane's time, or at the end where it does not change.
  _at(stage, pane, name) { return stage.textures[`${name}@${nearest(stage.times_s, pane.time)}`] || stage.textures[name]; }

  byte(pane, name, index) {
    const { stage } = this._of(pane);
    const volume = this._at(stage, pane, name);
    if (!volume) return 0;
    const [x, y] = stage.shape;
    return volume.bytes[index[0] + x * (index[1] + y * index[2])];
  }

  _of(pane) {
    const stage = this.scenes.get(pane.scene).stages[pane.stage];
    const box = stage.shape.map((n, k) => n * stage.spacing[k]);
    return { stage, box, centre: box.map((b) => b / 2) };
  }

  _radius(panes) { return Math.max(...panes.map((p) => Math.hypot(...this._of(p).box) / 2)); }

  _cutAt(look, box) { return look.cut * box[look.axis]; }

  _pane(pane, look, aspect, radius) {
    const gl = this.gl, { stage, box, centre } = this._of(pane);
    const field = pane.scene.fields.find((f) => f.name === look.field);
    const { view, projection } = this.camera.matrices(centre, radius, aspect);
    const u = this.program.at;
    gl.useProgram(this.program.program);
    gl.uniformMatrix4fv(u.u_view, false, view);
    gl.uniformMatrix4fv(u.u_projection, false, projection);
    gl.uniform3fv(u.u_box, box);
    gl.uniform3fv(u.u_spacing, stage.spacing);
    gl.uniform3fv(u.u_points, stage.shape.map((n) => n + 1));
    gl.uniform1f(u.u_magnify, stage.moved ? look.magnify * stage.displacement.most_mm : 0);
    gl.uniform1f(u.u_least, look.least(pane, field));
    gl.uniform2fv(u.u_scale, look.scale(field));
    // The half that is taken away is the one towards the eye.
    const { towards } = this.camera.basis();
    const side = look.axis >= 0 && towards[look.axis] < 0 ? -1 : 1;
    const normal = [0, 1, 2].map((k) => (k === look.axis ? side : 0));
    const distance = look.axis >= 0 ? side * this._cutAt(look, box) : 1e9;
    const there = field && this._at(stage, pane, field.name);
    const named = { u_field: there || stage.textures._bone, u_bone: stage.textures._bone,
      u_cap: stage.textures._cap, u_cement: stage.textures._cement };
    Object.entries(named).forEach(([name, volume], k) => this._bind(name, k, gl.TEXTURE_3D, volume.texture));
    this._bind("u_moved", 4, gl.TEXTURE_3D, stage.moved || stage.textures._bone.texture);
    if (field) this._bind("u_colours", 5, gl.TEXTURE_2D, this.scenes.get(pane.scene).colours[field.name]);
    gl.enable(gl.DEPTH_TEST);
    // Cement that is still on its way is told by the field; its surface is that of the end.
    const isOnItsWay = Boolean(stage.textures[`cement@${nearest(stage.times_s, pane.time)}`]);
    const meshes = stage.drawn.filter((m) => look.shown[m.name] && !(isOnItsWay && m.name === "cement"));
    const cutOff = (m) => (m.name === "bone" || m.name === "caps" || m.name === "endplates" ? distance : 1e9);
    const opaque = (m) => m.opacity * (m.name === "bone" ? look.opacity : 1) > 0.99;
    gl.disable(gl.BLEND);
    gl.depthMask(true);
    for (const mesh of meshes.filter(opaque)) {
      const onBone = mesh.name === "bone" && look.paint && there;
      this._one(mesh, onBone ? 1 : 0, [...normal, cutOff(mesh)], 1);
    }
    if (look.axis >= 0 && there) {
      const low = [0, 0, 0], size = box.slice();
      low[look.axis] = this._cutAt(look, box);
      size[look.axis] = 0;
      this._one({ ...this.grids[look.axis], low, size, colour: [1, 1, 1] }, 2, [0, 0, 0, 0], 1);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(false);
    gl.enable(gl.CULL_FACE);
    for (const mesh of meshes.filter((m) => !opaque(m))) {
      const alpha = mesh.name === "bone" ? look.opacity : mesh.opacity;
      if (mesh.name === "endplates") gl.disable(gl.CULL_FACE);
      this._one(mesh, mesh.name === "bone" && look.paint && there ? 1 : 0, [...normal, cutOff(mesh)], alpha);
      gl.enable(gl.CULL_FACE);
    }
    gl.disable(gl.CULL_FACE);
    gl.depthMask(true);
  }

  _one(mesh, kind, cut, opacity) {
    const gl = this.gl, u = this.program.at;
    gl.uniform1i(u.u_kind, kind);
    gl.uniform4fv(u.u_cut, cut);
    gl.uniform1f(u.u_opacity, opacity);
    gl.uniform3fv(u.u_colour, mesh.colour);
    gl.uniform3fv(u.u_low, mesh.low);
    gl.uniform3fv(u.u_size, mesh.size);
    gl.bindVertexArray(mesh.array);
    gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
  }

  _bind(name, unit, kind, texture) {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(kind, texture);
    this.gl.uniform1i(this.program.at[name], unit);
  }

  _mesh(scene, mesh) {
    const colour = [1, 3, 5].map((k) => parseInt(mesh.colour.slice(k, k + 2), 16) / 255);
    const array = this._array(arrayOf(scene, Uint16Array, mesh.points, 4 * mesh.n_points),
      arrayOf(scene, Int8Array, mesh.normals, 4 * mesh.n_points),
      arrayOf(scene, Uint32Array, mesh.corners, mesh.n_corners));
    return { ...mesh, colour, array, count: mesh.n_corners };
  }

  _grid(axis) {
    const n = 96, points = new Uint16Array(4 * (n + 1) ** 2), normals = new Int8Array(points.length);
    const corners = [], [a, b] = [0, 1, 2].filter((k) => k !== axis);
    for (let i = 0; i <= n; i++) for (let j = 0; j <= n; j++) {
      const at = 4 * (i * (n + 1) + j), here = at / 4;
      points[at + a] = Math.round((65535 * i) / n);
      points[at + b] = Math.round((65535 * j) / n);
      normals[at + axis] = 127;
      if (i < n && j < n) corners.push(here, here + n + 1, here + n + 2, here, here + n + 2, here + 1);
    }
    return { array: this._array(points, normals, new Uint32Array(corners)), count: corners.length };
  }

  _array(points, normals, corners) {
    const gl = this.gl, array = gl.createVertexArray();
    gl.bindVertexArray(array);
    for (const [name, values, kind] of [["a_position", points, gl.UNSIGNED_SHORT], ["a_normal", normals, gl.BYTE]]) {
      const place = gl.getAttribLocation(this.program.program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      if (place < 0) continue;
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, kind, true, 4 * values.BYTES_PER_ELEMENT, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return array;
  }

  _volume(size, inside, format, kind, values, filter) {
    const gl = this.gl, texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_3D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage3D(gl.TEXTURE_3D, 0, inside, ...size, 0, format, kind, values);
    for (const key of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_3D, key, filter);
    for (const key of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) {
      gl.texParameteri(gl.TEXTURE_3D, key, gl.CLAMP_TO_EDGE);
    }
    return texture;
  }

  _program() {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    const at = {}, count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS);
    for (let k = 0; k < count; k++) {
      const { name } = gl.getActiveUniform(program, k);
      at[name] = gl.getUniformLocation(program, name);
    }
    return { program, at };
  }
}
