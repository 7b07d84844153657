// Forms: fields that matter only where another one has some value are hidden elsewhere.
"use strict";

for (const form of document.querySelectorAll("form")) {
  const dependent = [...form.querySelectorAll("[data-when]")];
  const show = () => {
    for (const field of dependent) {
      const chosen = form.elements[field.dataset.when];
      const value = chosen && (chosen instanceof RadioNodeList ? [...chosen].filter((each) => each.checked || each.type === "radio").map((each) => each.value)[0] ?? chosen.value : chosen.value);
      field.hidden = !field.dataset.values.split(" ").includes(value);
    }
    for (const group of form.querySelectorAll("fieldset, details.group")) {
      const inside = [...group.querySelectorAll(".field")];
      if (inside.length) group.hidden = inside.every((each) => each.hidden);
    }
  };
  if (dependent.length) {
    form.addEventListener("change", show);
    show();
  }
}
