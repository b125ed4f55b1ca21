// What pages do beside being read: keep current, draw the chart, draw the map. Every text from a host is set as text, never as markup.
"use strict";

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// A page is fetched anew when something has changed, and its parts are put in place of those that are there. Where a person types,
// or has opened a form, nothing moves.
const live = document.getElementById("live");
let fetching = false, wanted = false;

// Whether the page is kept current is a word too.
function current(on, words = live.querySelector(".word").textContent.replace("live, ", "")) {
  live.classList.toggle("on", on);
  live.querySelector(".word").textContent = (on ? "live, " : "") + words;
}

// Where the focus was, before other elements were put in place.
const same = (focus) => focus.id ? (one) => one.id === focus.id : (one) => (one.href ?? one.textContent) === (focus.href ?? focus.textContent);

async function refresh() {
  if (fetching || document.hidden) { wanted = true; return; }
  [fetching, wanted] = [true, false];
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (reply.status === 401 || reply.status === 403) { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || part.isEqualNode(next)) continue;
      const open = part.querySelector("details[open]"), focus = part.contains(document.activeElement) && document.activeElement;
      if (open || (focus && focus.tagName === "INPUT")) continue;
      htmx.swap(part, next.outerHTML, { swapStyle: "outerHTML" });
      if (focus) [...document.getElementById(part.id).querySelectorAll(focus.tagName)].find(same(focus))?.focus({ preventScroll: true });
    }
    const clock = fresh.querySelector("#live .word");
    if (clock) current(live.classList.contains("on"), clock.textContent);
    drawChart(); drawMap();
  } catch { current(false); }
  finally {
    fetching = false;
    if (wanted && !document.hidden) refresh();
  }
}

if (live && document.querySelector("[data-live]")) {
  const source = new EventSource("/live");
  source.addEventListener("open", () => current(true));
  source.addEventListener("error", () => {
    current(false);
    // It is asked for again, unless it was refused: then the page says why.
    if (source.readyState === EventSource.CLOSED) refresh();
  });
  source.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && wanted) refresh(); });
}

// The chart: the share of runs that failed, and how many runs it is a share of; a mark for what a rollout did.
const chart = document.getElementById("chart");
let plot;

function marks(list) {
  return { hooks: { draw: [(plot) => {
    const context = plot.ctx;
    context.save();
    context.strokeStyle = context.fillStyle = style("dim");
    context.setLineDash([4, 4]);
    for (const mark of list) {
      const x = plot.valToPos(mark.at, "x", true);
      context.beginPath(); context.moveTo(x, plot.bbox.top); context.lineTo(x, plot.bbox.top + plot.bbox.height); context.stroke();
      context.fillText("▼", x - 5, plot.bbox.top + 4);
    }
    context.restore();
  }] } };
}

// Hours of the day, or days where there are several.
function hours(_, ticks) {
  const days = ticks.at(-1) - ticks[0] > 2 * 86400;
  return ticks.map((tick) => new Date(tick * 1e3).toISOString().slice(...(days ? [5, 10] : [11, 16])));
}

async function drawChart() {
  if (!chart) return;
  const told = await (await fetch(chart.dataset.url)).json();
  const axis = { stroke: style("dim"), grid: { stroke: style("soft") }, ticks: { stroke: style("line") }, font: "11px system-ui" };
  const options = {
    width: chart.clientWidth, height: 176, cursor: { y: false }, plugins: [marks(told.marks)],
    hooks: { ready: [(plot) => plot.setLegend({ idx: told.at.length - 1 })] },
    scales: { y: { range: (_, __, most) => [0, Math.max((most || 0) * 1.15, 1)] }, runs: { range: (_, __, most) => [0, (most || 1) * 3] } },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
    series: [{ label: "from", value: "{YYYY}-{MM}-{DD} {HH}:{mm} UTC" },
      { label: "runs", stroke: style("fill"), fill: style("soft"), scale: "runs", width: 1, points: { show: false } },
      // What is drawn later lies on top.
      { label: "failed", stroke: style("bad"), width: 2, scale: "y", spanGaps: false, points: { size: 4 }, value: (_, rate) => rate === null ? "–" : rate.toFixed(2) + " %" }],
    axes: [{ ...axis, values: hours }, { ...axis, scale: "y", size: 48, values: (_, ticks) => ticks.map((tick) => tick + " %") }],
  };
  const next = document.createElement("div");
  chart.replaceChildren(next);
  plot?.destroy();
  plot = new uPlot(options, [told.at, told.runs, told.rate], next);
  chart.dataset.drawn = told.at.length;
}

// The map: cells by group; the shape in a cell differs as its colour does, where there is room for one.
const map = document.getElementById("map");
const TITLE = 17, GAP = 10, LABEL = 72;
let places = [], told, chosen, cursor;

async function drawMap() {
  if (!map) return;
  told = await (await fetch(map.dataset.url)).json();
  layOut();
}

// Groups stand side by side; the cells are as large as lets all of them stand in one row, which is as low as lets the cells be large.
function layOut() {
  const scale = devicePixelRatio || 1, width = map.clientWidth;
  const all = told.groups.reduce((sum, group) => sum + group.cells.length, 0);
  const wide = (rows, size) => told.groups.reduce((sum, group) => sum + Math.max(Math.ceil(group.cells.length / rows) * size, LABEL) + GAP, -GAP);
  let [size, rows] = [3, 1];
  for (const high of [140, 200, 280, 360, 480, 620]) {
    [size, rows] = [3, Math.floor(high / 3)];
    for (let larger = 14; larger > 3; larger--) {
      if (wide(Math.floor(high / larger), larger) <= width) { [size, rows] = [larger, Math.floor(high / larger)]; break; }
    }
    if (size > 6) break;
  }
  let [x, y, tall] = [0, 0, 0];
  places = told.groups.map((group) => {
    const least = Math.max(Math.ceil(group.cells.length / rows), Math.min(Math.ceil(LABEL / size), group.cells.length));
    const columns = Math.min(least, Math.floor(width / size)), wide = Math.max(columns * size, LABEL);
    if (x > 0 && x + wide > width) { [x, y, tall] = [0, y + tall + TITLE + GAP, 0]; }
    const place = { x, y: y + TITLE, columns, size, wide, group };
    x += wide + GAP;
    tall = Math.max(tall, Math.ceil(group.cells.length / columns) * size);
    return place;
  });
  const high = Math.max(...places.map(({ y, columns, group }) => y + Math.ceil(group.cells.length / columns) * size), 0) + 4;
  if (!told.groups[cursor?.group]?.cells[cursor.at]) cursor = undefined;
  if (!told.groups[chosen?.group]?.cells[Math.max(chosen.from, chosen.to)]) chosen = undefined;
  map.width = width * scale; map.height = high * scale;
  map.style.height = high + "px";
  paint(scale);
  map.dataset.cells = all; map.dataset.size = size;
}

function paint(scale = devicePixelRatio || 1) {
  const context = map.getContext("2d");
  const words = Object.fromEntries(told.states.map((state) => [state.letter, state]));
  const colours = Object.fromEntries(told.states.map((state) => [state.letter, style(state.word)]));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, map.width, map.height);
  context.textBaseline = "middle"; context.textAlign = "left";
  for (const { x, y, columns, size, wide, group } of places) {
    context.font = "12px system-ui"; context.fillStyle = style("ink"); context.globalAlpha = 1;
    context.fillText(group.word + " " + group.cells.length, x, y - TITLE / 2, wide);
    const gap = size > 5 ? 1 : 0.5;
    for (let at = 0; at < group.cells.length; at++) {
      const letter = group.cells[at], left = x + at % columns * size, top = y + Math.floor(at / columns) * size;
      // The healthy stand back, so that the others are seen.
      context.globalAlpha = letter === "h" ? 0.38 : 1;
      context.fillStyle = colours[letter];
      context.fillRect(left, top, size - gap, size - gap);
      if (size >= 10 && letter !== "h") {
        context.fillStyle = style("panel"); context.font = size - 3 + "px system-ui"; context.textAlign = "center";
        context.fillText(words[letter].sign, left + (size - gap) / 2, top + (size - gap) / 2 + 0.5); context.textAlign = "left";
      }
    }
  }
  context.globalAlpha = 1;
  if (chosen) {
    const { x, y, columns, size } = places[chosen.group];
    context.fillStyle = style("ink"); context.globalAlpha = 0.45;
    for (let at = Math.min(chosen.from, chosen.to); at <= Math.max(chosen.from, chosen.to); at++) context.fillRect(x + at % columns * size, y + Math.floor(at / columns) * size, size, size);
    context.globalAlpha = 1;
  }
  if (cursor && document.activeElement === map) {
    const { x, y, columns, size } = places[cursor.group];
    context.strokeStyle = style("ink"); context.lineWidth = 2;
    context.strokeRect(x + cursor.at % columns * size - 2, y + Math.floor(cursor.at / columns) * size - 2, size + 3, size + 3);
  }
}

function cell(event, only) {
  const box = map.getBoundingClientRect(), [left, top] = [event.clientX - box.left, event.clientY - box.top];
  for (const [number, place] of places.entries()) {
    if (only !== undefined && only !== number) continue;
    const [column, row] = [Math.floor((left - place.x) / place.size), Math.floor((top - place.y) / place.size)];
    const within = column >= 0 && column < place.columns && row >= 0;
    const at = row * place.columns + column;
    if (within && at < place.group.cells.length) return { group: number, at };
  }
  return null;
}

if (map) {
  const hint = document.getElementById("map-hint"), usual = hint.textContent;
  const say = (found) => {
    const shown = found && told.groups[found.group];
    hint.textContent = chosen && shown ? Math.abs(chosen.to - chosen.from) + 1 + " hosts of " + shown.word
      : shown ? shown.word + ", host " + (found.at + 1) + ": " + told.states.find((state) => state.letter === shown.cells[found.at]).word : usual;
  };
  const open = ({ group, from, to }) => location.assign(map.dataset.hosts + "&group=" + group + "&from=" + from + "&to=" + to);
  map.addEventListener("pointerdown", (event) => {
    const found = cell(event);
    if (!found) return;
    map.setPointerCapture(event.pointerId);
    chosen = { group: found.group, from: found.at, to: found.at };
    paint();
  });
  map.addEventListener("pointermove", (event) => {
    const found = cell(event, chosen?.group);
    if (chosen && found) { chosen.to = found.at; paint(); }
    say(found);
  });
  map.addEventListener("pointerup", () => {
    if (!chosen) return;
    open(chosen);
    chosen = undefined;
  });
  map.addEventListener("pointercancel", () => { chosen = undefined; paint(); });

  // From the keyboard: a cell is gone to within its group, and from group to group; with shift cells are marked; enter opens what is.
  const go = (key, marks) => {
    const { group, at } = cursor, within = (number, most) => Math.min(Math.max(number, 0), most);
    const { columns } = places[group], last = told.groups[group].cells.length - 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: last }[key];
    const other = { PageUp: group - 1, PageDown: group + 1 }[key];
    if (to === undefined && other === undefined) return false;
    cursor = other === undefined ? { group, at: within(to, last) } : { group: within(other, places.length - 1), at: 0 };
    chosen = marks && other === undefined ? { group, from: chosen?.from ?? at, to: cursor.at } : undefined;
    return true;
  };
  const focus = () => { if (places.length) cursor ??= { group: 0, at: 0 }; };
  map.tabIndex = 0;
  map.setAttribute("role", "application");
  map.addEventListener("focus", () => { focus(); say(cursor); if (told) paint(); });
  map.addEventListener("blur", () => { chosen = undefined; say(); if (told) paint(); });
  map.addEventListener("keydown", (event) => {
    focus();
    if (!cursor) return;
    if (event.key === "Enter") open(chosen ?? { group: cursor.group, from: cursor.at, to: cursor.at });
    else if (!go(event.key, event.shiftKey)) return;
    event.preventDefault();
    say(cursor); paint();
  });
}

let resized;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => { drawChart(); if (told) layOut(); }, 150); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawChart(); if (told) paint(); });
drawChart(); drawMap();
