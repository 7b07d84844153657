// The form of a training: what its solver will be is asked for anew whenever a field changes.
"use strict";

const form = document.querySelector("form[data-settings]");
const settings = document.getElementById("settings");
let last = 0, waiting = 0;

async function renew() {
  const number = ++last;
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value && typeof value === "string") fields.append(name, value);
  if (!fields.get("net")) return;
  settings.setAttribute("aria-busy", "true");
  const answer = await fetch(`${form.dataset.settings}?${fields}`, { headers: { accept: "text/html" } }).catch(() => null);
  if (number !== last) return;
  settings.removeAttribute("aria-busy");
  if (answer && answer.ok) settings.innerHTML = await answer.text();
}

form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(renew, 400); });
renew();
