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

// When somebody last set out for another page: its answer may take a while, and a download leaves them here.
const LEAVING = 10_000; // ms
let lastLeft = -Infinity;
addEventListener("beforeunload", () => { lastLeft = performance.now(); });

// <section data-live="/jobs/3/live">: each event has markup that takes the place of what is in the section. A browser
// has few connections to one server, so that only what is seen is renewed.
for (const part of document.querySelectorAll("[data-live]")) {
  let source = null;
  let ended = false;
  const listen = () => {
    if (ended || source || document.hidden) return;
    source = new EventSource(part.dataset.live);
    source.addEventListener("part", (event) => renew(part, event.data));
    source.addEventListener("end", (event) => {
      leave();
      if (event.data && performance.now() - lastLeft < LEAVING) { // to go now would cancel where they go
        setTimeout(listen, LEAVING);
        return;
      }
      ended = true;
      if (event.data) location.assign(event.data);
    });
  };
  const leave = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", listen);
  follow(part);
}

/** Puts markup into a part of the page. Elements with the same ids are left alone where nothing changed in them. */
function renew(part, markup) {
  const made = document.createElement("template");
  made.innerHTML = markup;
  const before = [...part.children];
  const after = [...made.content.children];
  const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
  const places = new Map([...part.querySelectorAll("[data-follow]")].map((each) => [each.id, readPlace(each)]));
  if (before.length === after.length && after.every((each, index) => each.id && each.id === before[index].id)) {
    after.forEach((each, index) => { if (!before[index].isEqualNode(each)) before[index].replaceWith(each); });
  } else {
    part.replaceChildren(made.content);
  }
  follow(part, places);
  if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus();
}

/** Scrolls logs to their ends, unless somebody has scrolled them elsewhere. */
function follow(part, places = new Map()) {
  for (const each of part.querySelectorAll("[data-follow]")) each.scrollTop = places.get(each.id) ?? each.scrollHeight;
}

function readPlace(each) {
  return each.scrollHeight - each.scrollTop - each.clientHeight < 20 ? null : each.scrollTop;
}
