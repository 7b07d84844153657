// Files that are dropped on a field of files, which then says how many they are.
"use strict";

for (const place of document.querySelectorAll(".drop")) {
  const field = place.querySelector("input[type=file]");
  const hint = place.querySelector(".hint");
  const count = () => {
    const names = [...field.files].map((each) => each.name);
    if (names.length) hint.textContent = names.length === 1 ? names[0] : `${names.length} files: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}`;
  };
  for (const name of ["dragenter", "dragover"]) {
    place.addEventListener(name, (event) => { event.preventDefault(); place.classList.add("over-it"); });
  }
  for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("over-it"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    field.files = event.dataTransfer.files;
    count();
  });
  field.addEventListener("change", count);
}
