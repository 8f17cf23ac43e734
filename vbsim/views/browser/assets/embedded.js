// Starts the viewers of a page whose data lies inside it.
"use strict";

async function startEmbedded(place) {
  try {
    const scenes = await Promise.all(place.dataset.from.split(",").map((name) => {
      const text = document.getElementById(name).textContent.trim();
      return unpack(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    }));
    let panes = place.dataset.panes.split(",").map((pair) => {
      const [scene, stage] = pair.split(":").map(Number);
      return { scene: scenes[scene], stage, title: scenes.length > 1 ? scenes[scene].name : "" };
    });
    if (place.clientWidth < 560) panes = panes.slice(-1);
    place.viewer = new Viewer(place, panes);
  } catch (problem) {
    place.textContent = `The interactive view cannot be shown: ${problem.message}.`;
    place.classList.add("failed");
  }
}

document.querySelectorAll(".scene[data-from]").forEach((place) => { place.ready = startEmbedded(place); });
