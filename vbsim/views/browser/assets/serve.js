// The list of results: filter, sort, choose one or two, look at them side by side.
"use strict";

const page = { cases: [], columns: [], chosen: [], scenes: new Map(), order: null, viewer: null };
const at = (id) => document.getElementById(id);
const say = (text) => { at("said").textContent = text; };

async function ask(path) {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
  return answer;
}

function matches(item, term) {
  const found = term.match(/^([\w.]+)(<=|>=|=|<|>)(.+)$/);
  if (!found) return item.words.includes(term.toLowerCase());
  const [, column, sign, wanted] = found;
  const value = column === "name" ? item.name : item.parameters[column];
  if (value === undefined) return false;
  const number = Number(wanted);
  if (sign === "=") return typeof value === "number" ? value === number : String(value).toLowerCase() === wanted.toLowerCase();
  if (typeof value !== "number" || Number.isNaN(number)) return false;
  return { "<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number }[sign];
}

function shown() {
  const terms = at("filter").value.split(/\s+/).filter(Boolean);
  const kept = page.cases.filter((item) => terms.every((term) => matches(item, term)));
  if (page.order) {
    const [column, sign] = page.order;
    const of = (item) => (column === "name" ? item.name : item.parameters[column]);
    kept.sort((a, b) => {
      const [x, y] = [of(a), of(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    });
  }
  return kept;
}

// Units as one writes them; the filter takes the column as the table file has it, shown on pointing.
function heading(column) {
  const units = [["_kn_per_mm", "kN/mm"], ["_mg_cm3", "mg/cm³"], ["_kn", "kN"], ["_mm", "mm"], ["_ml", "ml"]];
  const unit = units.find(([ending]) => column.endsWith(ending));
  const words = (unit ? column.slice(0, -unit[0].length) : column).replaceAll("_", " ");
  return unit ? `${words} (${unit[1]})` : words;
}

function table() {
  const head = element("tr");
  for (const column of ["name", ...page.columns, ""]) {
    const cell = element("th", { title: column }, heading(column));
    if (column) cell.onclick = () => {
      page.order = [column, page.order && page.order[0] === column ? -page.order[1] : 1];
      table();
    };
    head.append(cell);
  }
  at("cases").tHead.replaceChildren(head);
  const kept = shown();
  at("count").textContent = `${kept.length} of ${page.cases.length}`;
  at("cases").tBodies[0].replaceChildren(...kept.map((item) => {
    const row = element("tr", { "data-id": item.id, tabindex: "0" }, element("td", {}, item.name));
    for (const column of page.columns) {
      const value = item.parameters[column];
      row.append(element("td", { class: typeof value === "number" ? "number" : "text" }, value === undefined ? "" : String(value)));
    }
    const link = element("a", { href: `/api/report/${item.id.split("/").map(encodeURIComponent).join("/")}`, target: "_blank", rel: "noopener" }, "report");
    link.onclick = (event) => event.stopPropagation();
    row.append(element("td", {}, link));
    row.classList.toggle("chosen", page.chosen.includes(item.id));
    row.classList.toggle("bare", !item.has_fields);
    row.onclick = () => choose(item);
    row.onkeydown = (event) => { if (event.key === "Enter") choose(item); };
    return row;
  }));
}

async function choose(item) {
  if (!item.has_fields) { say(`${item.name}: its fields were not kept, so that there is nothing to look at.`); return; }
  if (page.chosen.includes(item.id)) page.chosen = page.chosen.filter((id) => id !== item.id);
  else page.chosen = [...page.chosen, item.id].slice(-2);
  table();
  try {
    for (const id of page.chosen) {
      if (page.scenes.has(id)) continue;
      say("Loading …");
      const answer = await ask(`/api/scene/${id.split("/").map(encodeURIComponent).join("/")}`);
      page.scenes.set(id, await unpack(await answer.arrayBuffer()));
    }
    say("");
    look();
  } catch (problem) {
    page.chosen = page.chosen.filter((id) => id !== item.id);
    table();
    say(problem.message);
  }
}

function look() {
  const scenes = page.chosen.map((id) => page.scenes.get(id)).filter(Boolean);
  if (!scenes.length) { at("view").hidden = true; return; }
  at("view").hidden = false;
  const panes = scenes.length === 1
    ? scenes[0].stages.map((_, stage) => ({ scene: scenes[0], stage })).slice(-3)
    : scenes.map((scene) => ({ scene, stage: scene.stages.length - 1, title: scene.name }));
  if (page.viewer) page.viewer.setPanes(panes);
  else page.viewer = new Viewer(at("view"), panes);
}

async function start() {
  try {
    // The token stays in the cookie, out of the address and of what is copied from it.
    history.replaceState(null, "", "/");
    page.cases = await (await ask("/api/results")).json();
    for (const item of page.cases) item.words = `${item.name} ${item.id} ${Object.values(item.parameters).join(" ")}`.toLowerCase();
    const seen = page.cases.flatMap((item) => Object.keys(item.parameters));
    page.columns = [...new Set(seen)];
    at("filter").oninput = table;
    table();
    if (!page.cases.length) say("There are no results in this folder.");
  } catch (problem) {
    say(problem.message);
  }
}

page.ready = start();
