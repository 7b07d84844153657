// A prototxt is checked while one types: what is wrong stands beside its line, and the layers and the picture below.
"use strict";

const PAUSE = 400; // milliseconds without a key until the text is sent
const form = document.getElementById("prototxt");
const text = document.getElementById("text");
const gutter = document.getElementById("gutter");
const answer = document.getElementById("answer");
const status = document.getElementById("checking");
let marks = new Map(); // line -> level
let waiting, running;

/** Draws the numbers of the lines that are seen, with the marks of those that have findings. */
function number() {
  const height = parseFloat(getComputedStyle(text).lineHeight);
  const count = text.value.split("\n").length;
  const first = Math.floor(text.scrollTop / height);
  const last = Math.min(count, first + Math.ceil(text.clientHeight / height) + 1);
  const rows = [];
  for (let line = first + 1; line <= last; line++) {
    const row = document.createElement("span");
    row.textContent = line;
    if (marks.has(line)) row.className = marks.get(line);
    rows.push(row);
  }
  gutter.replaceChildren(...rows);
  gutter.style.transform = `translateY(${first * height - text.scrollTop}px)`;
}

/** Sends the text, and shows what is said of it, unless a later text was sent meanwhile. */
async function check() {
  running?.abort();
  const now = (running = new AbortController());
  if (!text.value.trim()) {
    answer.replaceChildren();
    marks = new Map();
    status.textContent = "";
    number();
    return;
  }
  status.textContent = "Checking …";
  try {
    const body = JSON.stringify({ text: text.value, markup: true });
    const found = await ask("/api/nets/check", { method: "POST", headers: { "content-type": "application/json" }, body, signal: now.signal });
    answer.innerHTML = found.markup;
    mark(found);
    status.textContent = found.fault ? "It cannot be read yet." : `${found.net.layers} layers`;
  } catch (error) {
    if (error.name === "AbortError") return;
    status.textContent = error.message;
  }
}

function mark(found) {
  const order = ["hint", "warning", "error"];
  marks = new Map();
  for (const { line, level } of found.findings?.findings ?? []) {
    if (line && order.indexOf(level) >= order.indexOf(marks.get(line) ?? "hint")) marks.set(line, level);
  }
  if (found.fault?.line) marks.set(found.fault.line, "error");
  number();
}

/** Selects a line of the text, and brings it into view. */
function show(line, column) {
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  text.focus();
  if (column) text.setSelectionRange(start + column - 1, start + column);
  else text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  text.scrollTop = (line - 5) * parseFloat(getComputedStyle(text).lineHeight);
}

text.addEventListener("input", () => {
  number();
  clearTimeout(waiting);
  waiting = setTimeout(check, PAUSE);
});
text.addEventListener("scroll", number);
new ResizeObserver(number).observe(text);

answer.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  show(Number(link.dataset.line), Number(link.dataset.column) || 0);
});

form.elements.upload.addEventListener("change", async () => {
  const file = form.elements.upload.files[0];
  if (!file || file.size > 1 << 20) return;
  const content = await file.text();
  if (content.includes("\0") || content.includes("\uFFFD")) return; // a binary net is sent as it is
  text.value = content;
  form.elements.upload.value = "";
  if (!form.elements.name.value) form.elements.name.value = file.name.replace(/\.\w+$/, "");
  number();
  check();
});

number();
if (text.value.trim() && !answer.firstChild) check();
