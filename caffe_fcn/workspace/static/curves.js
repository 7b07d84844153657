// Curves of trainings: the drawings of the server become charts that one can look into. Each figure has a panel; a
// training is a line, bold where it is smoothed, tests and scores have dots. The values under the pointer are said
// below; the arrows move along, pulling the pointer zooms, and a double click, or Escape, shows all again.
"use strict";

const HEIGHT = 300, LEFT = 62, RIGHT = 14, TOP = 14, BOTTOM = 30;
const MOST_POINTS = 8000;
const ORDER = { loss: 0, lr: 2 };

/** Reads a value, which may be "nan" or "inf". */
const read = (value) => (typeof value === "number" ? value : value === "inf" ? Infinity : value === "-inf" ? -Infinity : NaN);

/** The exponential running mean, corrected for its start; `share` of 0 changes nothing. */
function smooth(points, share) {
  let total = 0, weight = 0;
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, y];
    total = share * total + (1 - share) * y;
    weight = share * weight + (1 - share);
    return [x, total / weight];
  });
}

function format(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(3) : Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 10 });
}

/** A value beside an axis, where there is little room. */
function formatTick(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return value.toExponential(0);
  return size >= 1e5 ? value.toLocaleString("en", { notation: "compact" }) : Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 10 });
}

/** About `count` round values between two. */
function roundTicks(low, high, count) {
  const rough = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) ticks.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return ticks;
}

function logTicks(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const factors = last - first <= 3 ? [1, 2, 5] : [1];
  const ticks = [];
  const every = Math.max(1, Math.ceil((last - first) / 7));
  for (let power = first; power <= last; power += every) for (const factor of factors) ticks.push(factor * 10 ** power);
  const inside = ticks.filter((each) => each >= low * 0.999 && each <= high * 1.001);
  return inside.length > 1 ? inside : roundTicks(low, high, 4).filter((each) => each > 0);
}

/** One panel. Its series are {label, run, kind, points}; `chart` has what all panels share. */
class Panel {
  constructor(chart, title) {
    this.chart = chart;
    this.title = title;
    this.series = new Map();
    this.place = null;
    this.figure = document.createElement("figure");
    this.figure.className = "card chart";
    this.caption = document.createElement("figcaption");
    this.caption.textContent = title;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.legend = document.createElement("div");
    this.legend.className = "legend";
    this.said = document.createElement("p");
    this.said.className = "soft said";
    this.said.setAttribute("role", "status");
    this.figure.append(this.caption, this.canvas, this.said, this.legend);
    this.listen();
  }

  /** Adds points; those from the first new one on are replaced. */
  add(run, curve) {
    const key = `${run} ${curve.kind} ${curve.label}`;
    if (!this.series.has(key)) {
      const several = this.chart.names.length > 1;
      const colour = several ? run : { training: 0, test: 1, score: 2 }[curve.kind] + 3 * this.count(curve.kind);
      const series = { key, run, kind: curve.kind, colour: colour % 8, points: [], shown: true };
      series.label = several ? `${this.chart.names[run]}: ${curve.label}` : curve.label;
      this.series.set(key, series);
      this.legend.append(this.makeToggle(series));
    }
    const series = this.series.get(key);
    const points = curve.points.map(([x, y]) => [x, read(y)]);
    const first = points[0][0];
    while (series.points.length && series.points.at(-1)[0] >= first) series.points.pop();
    for (const point of points) series.points.push(point);
    if (series.points.length > MOST_POINTS) series.points = series.points.filter((each, place) => place % 2 === 0 || place === series.points.length - 1);
  }

  count(kind) {
    return [...this.series.values()].filter((each) => each.kind === kind).length;
  }

  makeToggle(series) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    const mark = document.createElement("span");
    mark.className = `mark series-${series.colour}`;
    button.append(mark, document.createTextNode(series.label));
    button.addEventListener("click", () => {
      series.shown = !series.shown;
      button.setAttribute("aria-pressed", String(series.shown));
      this.draw();
    });
    return button;
  }

  get shown() {
    return [...this.series.values()].filter((each) => each.shown);
  }

  listen() {
    const { canvas } = this;
    let from = null;
    const at = (event) => event.clientX - canvas.getBoundingClientRect().left;
    canvas.addEventListener("pointerdown", (event) => { from = at(event); canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      this.place = this.toIteration(at(event));
      this.pulled = from === null ? null : [from, at(event)];
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const [a, b] = [from, at(event)].map((each) => this.toIteration(each)).sort((x, y) => x - y);
      const isPull = from !== null && Math.abs(from - at(event)) > 6;
      from = this.pulled = null;
      if (isPull) this.chart.zoom([a, b]);
      else this.draw();
    });
    canvas.addEventListener("pointerleave", () => { if (from === null) { this.place = null; this.draw(); } });
    canvas.addEventListener("dblclick", () => this.chart.zoom(null));
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (event.key === "Escape") this.chart.zoom(null);
      if (steps === undefined) return;
      event.preventDefault();
      this.move(steps);
    });
  }

  /** Moves to the next iteration that has a value. */
  move(steps) {
    const all = [...new Set(this.shown.flatMap((each) => each.points.map(([x]) => x)))].sort((a, b) => a - b);
    if (!all.length) return;
    const now = this.place === null ? (steps < 0 ? all.length : -1) : all.findIndex((each) => each >= this.place);
    this.place = all[Math.min(all.length - 1, Math.max(0, now + steps))];
    this.draw();
  }

  toIteration(pixel) {
    const [low, high] = this.range || [0, 1];
    return low + ((pixel - LEFT) / Math.max(1, this.width - LEFT - RIGHT)) * (high - low);
  }

  draw() {
    const { canvas, chart } = this;
    const ratio = devicePixelRatio || 1;
    this.width = canvas.clientWidth;
    if (!this.width) return;
    canvas.width = Math.round(this.width * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    const colours = chart.colours;
    const lines = this.shown.map((series) => {
      const isTraining = series.kind === "training" && this.title !== "lr";
      return { ...series, isTraining, bold: isTraining && chart.smoothing > 0 ? smooth(series.points, chart.smoothing) : series.points };
    });
    const whole = lines.flatMap(({ points }) => (points.length ? [points[0][0], points.at(-1)[0]] : []));
    this.range = chart.range || [Math.min(0, ...whole), Math.max(1, ...whole)];
    const [first, last] = this.range;
    const inside = lines.flatMap(({ points }) => points.filter(([x, y]) => x >= first && x <= last && Number.isFinite(y)).map(([, y]) => y));
    const positive = inside.filter((y) => y > 0);
    const isLog = chart.log && positive.length > 0;
    const used = isLog ? positive : inside;
    let low = used.length ? used.reduce((a, b) => Math.min(a, b)) : 0, high = used.length ? used.reduce((a, b) => Math.max(a, b)) : 1;
    if (low === high) { low = isLog ? low / 2 : low - (Math.abs(low) || 1) / 2; high = isLog ? high * 2 : high + (Math.abs(high) || 1) / 2; }
    const scale = isLog ? Math.log10 : (value) => value;
    const x = (value) => LEFT + ((value - first) / (last - first || 1)) * (this.width - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (HEIGHT - TOP - BOTTOM);
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of isLog ? logTicks(low, high) : roundTicks(low, high, 5)) {
      pen.strokeStyle = colours.grid;
      pen.beginPath(); pen.moveTo(LEFT, y(tick)); pen.lineTo(this.width - RIGHT, y(tick)); pen.stroke();
      pen.fillStyle = colours.soft;
      pen.fillText(formatTick(tick), LEFT - 7, y(tick));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const tick of roundTicks(first, last, Math.max(2, Math.min(7, Math.floor(this.width / 70))))) {
      pen.fillText(formatTick(tick), Math.min(x(tick), this.width - 26), HEIGHT - BOTTOM + 9);
    }
    pen.save();
    pen.beginPath();
    pen.rect(LEFT - 4, TOP - 8, this.width - LEFT - RIGHT + 8, HEIGHT - TOP - BOTTOM + 12);
    pen.clip();
    for (const { points, bold, colour, isTraining, kind } of lines) {
      pen.strokeStyle = pen.fillStyle = colours.series[colour];
      const place = ([at, value]) => (Number.isFinite(value) && (!isLog || value > 0) ? [x(at), y(value)] : null);
      if (isTraining && bold !== points) { pen.globalAlpha = 0.35; pen.lineWidth = 1; stroke(pen, points, place); pen.globalAlpha = 1; }
      pen.lineWidth = isTraining ? 2 : 1.6;
      stroke(pen, bold, place);
      if (kind !== "training" || points.length < 3) {
        for (const each of points.map(place).filter(Boolean)) { pen.beginPath(); pen.arc(each[0], each[1], 3, 0, 7); pen.fill(); }
      }
    }
    if (this.place !== null) {
      pen.strokeStyle = colours.soft;
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(x(this.place), TOP); pen.lineTo(x(this.place), HEIGHT - BOTTOM); pen.stroke();
    }
    if (this.pulled) {
      pen.globalAlpha = 0.15;
      pen.fillStyle = colours.on;
      pen.fillRect(Math.min(...this.pulled), TOP, Math.abs(this.pulled[0] - this.pulled[1]), HEIGHT - TOP - BOTTOM);
      pen.globalAlpha = 1;
    }
    pen.restore();
    this.say(lines);
    this.canvas.setAttribute("aria-label", `${this.title}, ${lines.map(({ label, points }) => `${label} ${points.length ? format(points.at(-1)[1]) : "none"}`).join(", ") || "nothing shown"}. The arrows move along the iterations.`);
  }

  /** Says the values at the place of the pointer, those next to it. */
  say(lines) {
    if (this.place === null) { this.said.textContent = ""; return; }
    const parts = [];
    for (const { label, points, bold, isTraining } of lines) {
      const near = nearest(points, this.place);
      if (near < 0) continue;
      const mean = isTraining && bold !== points ? ` (smoothed ${format(bold[near][1])})` : "";
      parts.push(`${label} ${format(points[near][1])}${mean} at ${points[near][0].toLocaleString("en")}`);
    }
    this.said.textContent = parts.join(" · ");
  }
}

function stroke(pen, points, place) {
  pen.beginPath();
  let isDown = false;
  for (const point of points) {
    const at = place(point);
    if (!at) { isDown = false; continue; }
    if (isDown) pen.lineTo(...at);
    else pen.moveTo(...at);
    isDown = true;
  }
  pen.stroke();
}

/** The number of the point whose iteration is nearest; -1 where there is none. */
function nearest(points, place) {
  let low = 0, high = points.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < place) low = middle + 1;
    else high = middle;
  }
  return low > 0 && place - points[low - 1][0] < points[low][0] - place ? low - 1 : low;
}

/** All panels of some runs, and what one chooses for all of them. */
class Chart {
  constructor(home) {
    this.home = home;
    this.names = JSON.parse(home.dataset.names);
    this.cursors = this.names.map(() => "");
    this.log = false;
    this.smoothing = 0.6;
    this.range = null;
    this.panels = new Map();
    this.grid = document.createElement("div");
    this.grid.className = "curves-grid";
    this.readColours();
    JSON.parse(home.dataset.figures).forEach((figures, run) => figures && this.take(run, figures));
    home.replaceChildren(this.makeControls(), this.grid);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.readColours(); this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.grid);
    this.draw();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const named = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colours = { grid: named("grid"), soft: named("soft"), on: named("on"), series: Array.from({ length: 8 }, (_, place) => named(`series-${place}`)) };
  }

  makeControls() {
    const row = document.createElement("div");
    row.className = "actions controls";
    const log = document.createElement("input");
    log.type = "checkbox";
    log.addEventListener("change", () => { this.log = log.checked; this.draw(); });
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: "0", max: "0.99", step: "0.01", value: String(this.smoothing) });
    range.addEventListener("input", () => { this.smoothing = Number(range.value); this.draw(); });
    this.all = document.createElement("button");
    Object.assign(this.all, { type: "button", textContent: "Show all iterations", hidden: true });
    this.all.addEventListener("click", () => this.zoom(null));
    for (const [input, text] of [[log, "Log scale"], [range, "Smoothing"]]) {
      const label = document.createElement("label");
      label.append(...(input === log ? [input, " ", text] : [text, " ", input]));
      row.append(label);
    }
    row.append(this.all);
    return row;
  }

  /** Takes figures as the API gives them. */
  take(run, figures) {
    if (figures.again) for (const panel of this.panels.values()) for (const series of panel.series.values()) if (series.run === run) series.points = [];
    for (const curve of figures.curves) {
      if (!this.panels.has(curve.panel)) this.panels.set(curve.panel, new Panel(this, curve.panel));
      this.panels.get(curve.panel).add(run, curve);
    }
    this.cursors[run] = figures.next;
    const order = [...this.panels.values()].sort((a, b) => (ORDER[a.title] ?? 1) - (ORDER[b.title] ?? 1));
    if (this.grid.children.length !== order.length) this.grid.append(...order.map((each) => each.figure));
  }

  /** Takes what a live part has, or asks for what was missed in between. */
  async hear(run, news) {
    const [generation, line] = this.cursors[run].split("-").map(Number);
    const [ours, since] = (news.since || "").split("-").map(Number), [theirs, next] = news.next.split("-").map(Number);
    if (!(generation === theirs && ours === generation && since <= line)) {
      const address = `/api/runs/${encodeURI(this.names[run])}/figures?since=${this.cursors[run]}`;
      this.take(run, await ask(address));
    } else if (next > line) this.take(run, news);
    this.draw();
  }

  zoom(range) {
    this.range = range && range[1] - range[0] > 0 ? range : null;
    this.all.hidden = !this.range;
    this.draw();
  }

  draw() {
    for (const panel of this.panels.values()) panel.draw();
  }
}

for (const home of document.querySelectorAll("[data-curves]")) {
  const chart = new Chart(home);
  for (const part of document.querySelectorAll("[data-live]")) {
    let isAsking = false;
    new MutationObserver(async () => {
      const news = part.querySelector("[data-news]");
      if (!news || isAsking) return;
      isAsking = true;
      try { await chart.hear(0, JSON.parse(news.dataset.news)); } catch { /* the next news bring it */ }
      isAsking = false;
    }).observe(part, { childList: true });
  }
}
