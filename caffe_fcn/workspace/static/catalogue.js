// The catalogue is filtered while one types.
"use strict";

const search = document.getElementById("q");
const rows = [...document.querySelectorAll("#catalogue tbody tr")];

search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => row.dataset.words.includes(word));
  document.getElementById("found").textContent = `${rows.filter((row) => !row.hidden).length} nets`;
});
