// Starts the viewers of a page whose data lies inside it.
"use strict";

async function startEmbedded(place) {
  try {
    const text = document.getElementById(place.dataset.from).textContent.trim();
    const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const scene = await unpack(packed);
    let stages = place.dataset.panes.split(",").map(Number);
    if (place.clientWidth < 560) stages = stages.slice(-1);
    place.viewer = new Viewer(place, stages.map((stage) => ({ scene, stage })));
  } catch (problem) {
    place.textContent = `The interactive view cannot be shown: ${problem.message}.`;
    place.classList.add("failed");
  }
}

document.querySelectorAll(".scene[data-from]").forEach((place) => { place.ready = startEmbedded(place); });
