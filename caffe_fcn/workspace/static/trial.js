// What the net says of an image: which picture lies over it, how opaque, and what is under the pointer.
"use strict";

const viewer = document.querySelector(".viewer");
if (viewer) {
  const { trial, image } = viewer.dataset;
  const [shown, ofClass, opacity] = ["shown", "of-class", "opacity"].map((id) => document.getElementById(id));
  const stack = viewer.querySelector(".stack");
  const over = stack.querySelector(".over");
  const cross = stack.querySelector(".cross");
  const says = viewer.querySelector(".pixel");

  const choose = () => {
    over.src = `/test/picture/${trial}?image=${image}&kind=${shown.value}&class=${ofClass ? ofClass.value : 0}`;
  };
  const fade = () => {
    for (const each of viewer.querySelectorAll(".over")) each.style.opacity = opacity.value / 100;
  };
  shown.addEventListener("change", () => {
    if (shown.value !== "label" && shown.value !== "truth") opacity.value = 100;
    fade();
    choose();
  });
  ofClass?.addEventListener("change", () => {
    if (shown.value === "label" || shown.value === "truth") shown.value = "probability";
    choose();
  });
  opacity.addEventListener("input", fade);
  fade();

  // The pixel under the pointer. One question at a time is on its way; the last place asked for is asked next.
  let place = null;
  let asking = false;
  const askPixel = async () => {
    if (asking || !place) return;
    asking = true;
    const [x, y] = place;
    place = null;
    try {
      const { classes } = await ask(`/test/pixel/${trial}?image=${image}&x=${x}&y=${y}`);
      says.textContent = `${x}, ${y}: ` + classes.map((each) => `${each.name} ${(100 * each.probability).toFixed(1)} %`).join(", ");
    } catch (error) {
      says.textContent = error.message;
    }
    asking = false;
    askPixel();
  };
  const point = (x, y) => {
    const under = stack.querySelector(".under");
    place = [Math.min(Math.max(x, 0), under.naturalWidth - 1), Math.min(Math.max(y, 0), under.naturalHeight - 1)];
    cross.hidden = false;
    cross.style.left = `${((place[0] + 0.5) / under.naturalWidth) * 100}%`;
    cross.style.top = `${((place[1] + 0.5) / under.naturalHeight) * 100}%`;
    at = place;
    if (ofClass) askPixel();
  };
  let at = [0, 0];
  stack.addEventListener("pointermove", (event) => {
    const under = stack.querySelector(".under");
    const box = under.getBoundingClientRect();
    point(
      Math.floor(((event.clientX - box.left) / box.width) * under.naturalWidth),
      Math.floor(((event.clientY - box.top) / box.height) * under.naturalHeight),
    );
  });
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  stack.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    point(at[0] + far * step[0], at[1] + far * step[1]);
  });

  document.querySelector("[data-channels]")?.addEventListener("toggle", async (event) => {
    const rows = event.target.querySelector("tbody");
    if (!event.target.open || rows.children.length) return;
    const { channels } = await ask(`/test/channels/${trial}?image=${image}`);
    for (const each of channels) {
      const row = rows.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = each.name;
      row.append(head);
      for (const figure of [each.least, each.mean, each.greatest]) {
        const cell = row.insertCell();
        cell.className = "number";
        cell.textContent = figure.toPrecision(4);
      }
    }
  });
}
