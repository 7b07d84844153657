// One record: how opaque the label is, and the class under the pointer.
"use strict";

const shown = document.querySelector("[data-record]");
const over = shown.querySelector(".over");
const slider = document.querySelector("[data-opacity]");
if (over && slider) {
  const set = () => { over.style.opacity = slider.value / 100; };
  slider.addEventListener("input", set);
  set();
  const output = document.querySelector("[data-class]");
  const names = JSON.parse(document.getElementById("names").textContent);
  const values = new Image();
  values.src = output.dataset.values;
  values.decode().then(() => {
    const canvas = document.createElement("canvas");
    canvas.width = values.naturalWidth;
    canvas.height = values.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(values, 0, 0);
    shown.addEventListener("pointermove", (event) => {
      const box = over.getBoundingClientRect();
      const x = Math.floor((event.clientX - box.left) / box.width * canvas.width);
      const y = Math.floor((event.clientY - box.top) / box.height * canvas.height);
      if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return;
      const value = context.getImageData(x, y, 1, 1).data[0];
      output.textContent = `${names[value]} (${value}) at x=${x}, y=${y}`;
    });
  }, () => { output.textContent = ""; });
}
