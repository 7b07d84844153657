// What every page has: buttons that copy a command, and parts of a page that the server renews while one looks.
"use strict";

/** The token that a request must show which changes something. */
const csrf = document.body.dataset.csrf;

/** Asks for JSON; what the server refuses becomes an Error with its sentence. */
async function ask(address, options = {}) {
  const headers = { accept: "application/json", "x-csrf-token": csrf, ...options.headers };
  const answer = await fetch(address, { ...options, headers });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const { where, what, mend } = content.error || { where: address, what: `answered with status ${answer.status}` };
    throw new Error(`${where}: ${what}${mend ? ` (${mend})` : ""}`);
  }
  return content;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  const text = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = text; }, 1500);
});

// <section data-live="/jobs/3/live">: each event has markup that takes the place of what is in the section.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("part", (event) => {
    const inside = document.activeElement && part.contains(document.activeElement) ? document.activeElement.id : "";
    part.innerHTML = event.data;
    if (inside) document.getElementById(inside)?.focus();
  });
  source.addEventListener("end", (event) => {
    source.close();
    if (event.data) location.assign(event.data);
  });
}
