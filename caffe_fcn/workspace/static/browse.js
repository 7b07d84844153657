// Fields of paths: a button that opens the folders of the server, to choose one.
"use strict";

const dialog = document.createElement("dialog");
dialog.className = "browse";
dialog.innerHTML = '<h2>Choose a folder</h2><p class="actions"><button type="button" data-up>Up</button> <code></code></p><ul class="folders"></ul><p class="actions"><button type="button" class="main" data-choose>Choose this folder</button> <button type="button" data-close>Cancel</button> <span role="status"></span></p>';
document.body.append(dialog);
let target = null;
let here = { path: "", parent: null };

async function list(path, page = 0) {
  const status = dialog.querySelector("[role=status]");
  status.textContent = "";
  try {
    here = await ask(`/datasets/browse?path=${encodeURIComponent(path)}&page=${page}`);
  } catch (error) {
    status.textContent = error.message;
    return;
  }
  dialog.querySelector("code").textContent = here.path || "Folders that the server may read";
  dialog.querySelector("[data-up]").disabled = here.parent === null;
  dialog.querySelector("[data-choose]").disabled = !here.path;
  const rows = here.entries.map((entry) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = entry.is_folder ? `${entry.name}/` : entry.name;
    button.addEventListener("click", () => (entry.is_folder ? list(entry.path) : choose(entry.path)));
    row.append(button);
    return row;
  });
  for (const [number, text] of [[here.page - 1, "Previous"], [here.page + 1, "Next"]]) {
    if (here.pages < 2 || number < 0 || number >= here.pages) continue;
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${text} of ${here.pages} pages`;
    button.addEventListener("click", () => list(here.path, number));
    row.append(button);
    rows.push(row);
  }
  dialog.querySelector("ul").replaceChildren(...rows);
}

function choose(path) {
  target.value = path;
  dialog.close();
  target.focus();
}

dialog.querySelector("[data-up]").addEventListener("click", () => list(here.parent));
dialog.querySelector("[data-choose]").addEventListener("click", () => choose(here.path));
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());

for (const field of document.querySelectorAll("[data-browse]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "beside";
  button.textContent = "Browse";
  button.setAttribute("aria-label", `Browse for ${field.id}`);
  button.addEventListener("click", () => {
    target = field;
    dialog.showModal();
    list("");
  });
  field.after(button);
}
