/*
 * The page: asks the API once per sample, shows two tables and the candles of what is chosen. What
 * comes from processes is put into the document as text, never as markup.
 */
"use strict";

const ROWS = 20;
const CANDLES_EVERY_MS = 5000;
const ANSWER_MS = 10000;
const CANDLES_MS = 15000; /* candles may be read from a disk */
const RETRY_MS = 5000;
const SPARK_POINTS = 90;

const NO_ANSWER = "no answer; trying again";

const INTERVALS = {"1m": 60000, "15m": 900000};

/* What is shown and how. */
const shown = {
  order: {processes: "rss", groups: "rss"},
  interval: "1m",
  chosen: null, /* {kind, id, name} */
  series: {processes: new Map(), groups: new Map()}, /* id -> values */
  seriesAt: {processes: -Infinity, groups: -Infinity},
  candlesAt: -Infinity,
  stepMs: 10000,
  periodMs: 1000,
  timer: 0,
  watch: 0,
  isAsking: false,
  isWanted: false,
};

const COLUMNS = {
  processes: [["name", "name"], ["pid", "pid"], ["user", "user"], ["size", "memory"],
              ["growth", "growth / min"], ["spark", "last 15 min"]],
  groups: [["name", "name"], ["count", "count"], ["size", "memory"], ["growth", "growth / min"],
           ["spark", "last 15 min"]],
};

const byId = (id) => document.getElementById(id);
const tables = {};

/* --- words ------------------------------------------------------------------------------------ */

function formatGrowth(perSecond) {
  if (perSecond === null)
    return "";
  const perMinute = perSecond * 60;
  if (Math.abs(perMinute) < 1024)
    return "–";
  return (perMinute > 0 ? "+" : "") + formatBytes(perMinute);
}

function formatAge(ms) {
  const minutes = Math.floor(ms / 60000);
  if (minutes < 1)
    return "just started";
  if (minutes < 120)
    return `${minutes} min old`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h old` : `${Math.floor(minutes / 1440)} days old`;
}

function setText(element, text) {
  if (element.textContent !== text)
    element.textContent = text;
}

function setState(state, text) {
  document.body.dataset.state = state;
  setText(byId("state"), text);
}

/* --- asking ----------------------------------------------------------------------------------- */

class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, parameters, limitMs = ANSWER_MS) {
  const query = new URLSearchParams(parameters);
  const response = await fetch(`/api/v1/${path}${query.size ? "?" + query : ""}`,
                               {cache: "no-store", signal: AbortSignal.timeout(limitMs)});
  const answer = await response.json();
  if (answer.status !== "success")
    throw new ApiError(response.status, answer.error);
  return answer.data;
}

/* --- tables ----------------------------------------------------------------------------------- */

function idOf(kind, row) {
  return kind === "processes" ? row.id : row.name;
}

function makeTable(kind) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  const body = table.createTBody();
  table.setAttribute("role", "grid");
  table.setAttribute("aria-labelledby", kind);
  for (const [name, words] of COLUMNS[kind]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = name;
    cell.textContent = words;
    head.append(cell);
  }
  const empty = document.createElement("p");
  empty.className = "empty";
  empty.textContent = "Nothing has grown in the last five minutes.";
  empty.hidden = true;
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row)
      choose(kind, row.dataset.id, row.dataset.name);
  });
  body.addEventListener("keydown", (event) => onRowKey(event, kind));
  document.querySelector(`[data-rows="${kind}"]`).append(table, empty);
  tables[kind] = {table, body, empty, rows: new Map()};
}

function onRowKey(event, kind) {
  const row = event.target.closest("tr");
  const all = [...tables[kind].body.rows];
  const at = all.indexOf(row);
  const next = {ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1}[event.key];
  if (!row)
    return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    choose(kind, row.dataset.id, row.dataset.name);
  } else if (next !== undefined && all[next]) {
    event.preventDefault();
    for (const other of all)
      other.tabIndex = -1;
    all[next].tabIndex = 0;
    all[next].focus();
  }
}

function makeRow(kind, id) {
  const row = document.createElement("tr");
  row.dataset.id = id;
  row.tabIndex = -1;
  for (const [name] of COLUMNS[kind])
    row.insertCell().className = name;
  return row;
}

/*
 * A line of what it had, and the surface under it; the right end is now, the left one a quarter of
 * an hour ago. null where nothing is known.
 */
function drawSpark(cell, values) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known);
  const span = Math.max(Math.max(...known) - low, Math.max(...known) * 0.02, 1);
  const height = 18;
  let line = "";
  let area = "";
  let begin = null;
  values.forEach((value, i) => {
    if (value === null)
      return;
    const x = Math.max(0, 100 - 100 * (values.length - 1 - i) / SPARK_POINTS);
    const y = 1 + height - (value - low) / span * height;
    line += `${begin === null ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    begin = begin === null ? x : begin;
    area = `${line}L${x.toFixed(1)} 20L${begin.toFixed(1)} 20Z`;
  });
  let svg = cell.firstChild;
  if (!svg) {
    svg = svgElement("svg", {viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true"});
    svg.append(svgElement("path", {class: "area"}), svgElement("path", {}));
    cell.append(svg);
  }
  svg.firstChild.setAttribute("d", area);
  svg.lastChild.setAttribute("d", line);
}

function fillRow(kind, element, row) {
  const name = kind === "processes" ? row.comm || "(unnamed)" : row.name;
  const growth = row.growth_bytes_per_second;
  const grown = growth === null || Math.abs(growth * 60) < 1024 ? "still" : growth > 0 ? "grows" : "shrinks";
  const words = {name, pid: String(row.pid), user: row.user === null ? String(row.uid) : row.user,
                 count: String(row.processes), size: formatBytes(row.rss_bytes), growth: formatGrowth(growth)};
  const before = shown.series[kind].get(idOf(kind, row)) || [];
  element.dataset.name = name;
  element.title = name;
  COLUMNS[kind].forEach(([column], i) => {
    if (column === "spark")
      drawSpark(element.cells[i], [...before, row.rss_bytes]);
    else
      setText(element.cells[i], words[column]);
    if (column === "growth")
      element.cells[i].className = "growth " + grown;
  });
}

function fillTable(kind, rows) {
  const {table, body, empty, rows: known} = tables[kind];
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const ids = new Set(rows.map((row) => idOf(kind, row)));
  for (const [id, element] of known)
    if (!ids.has(id)) {
      element.remove();
      known.delete(id);
    }
  rows.forEach((row, i) => {
    const id = idOf(kind, row);
    let element = known.get(id);
    if (!element) {
      element = makeRow(kind, id);
      known.set(id, element);
    }
    if (body.rows[i] !== element)
      body.insertBefore(element, body.rows[i] || null);
    fillRow(kind, element, row);
  });
  if (focused && focused !== document.activeElement)
    (body.contains(focused) ? focused : body.rows[0] || document.body).focus();
  if (body.rows.length && ![...body.rows].some((row) => row.tabIndex === 0))
    body.rows[0].tabIndex = 0;
  table.hidden = !rows.length;
  empty.hidden = rows.length > 0;
  markChosen();
}

function markChosen() {
  for (const kind of Object.keys(tables))
    for (const row of tables[kind].body.rows)
      row.setAttribute("aria-selected", String(shown.chosen !== null && shown.chosen.kind === kind &&
                                               shown.chosen.id === row.dataset.id));
}

async function updateTable(kind) {
  const order = shown.order[kind];
  const isOld = performance.now() - shown.seriesAt[kind] >= shown.stepMs;
  const data = await ask(kind, {sort: order, limit: ROWS, series: isOld ? 1 : 0});
  const rows = data[kind];
  if (order !== shown.order[kind])
    return; /* another order was chosen meanwhile */
  if (isOld) {
    shown.series[kind] = new Map(rows.map((row) => [idOf(kind, row), row.series_bytes]));
    shown.seriesAt[kind] = performance.now();
  } else if (rows.some((row) => !shown.series[kind].has(idOf(kind, row)))) {
    shown.seriesAt[kind] = -Infinity; /* somebody is new here: ask for series the next time */
  }
  fillTable(kind, rows);
  if (kind === "processes" && !shown.chosen && rows.length)
    choose(kind, rows[0].id, rows[0].comm || "(unnamed)");
  const chosen = shown.chosen;
  if (chosen && chosen.kind === kind) {
    const row = rows.find((r) => idOf(kind, r) === chosen.id);
    if (row)
      showFacts(kind, row);
  }
}

/* --- what is chosen --------------------------------------------------------------------------- */

const chart = new CandleChart(byId("chart"), showValues);

function showFacts(kind, row) {
  const words = kind === "processes"
    ? [`pid ${row.pid}`, row.user === null ? `uid ${row.uid}` : row.user, formatAge(row.age_ms)]
    : [row.processes === 1 ? "1 process" : `${row.processes} processes`];
  words.push(formatBytes(row.rss_bytes));
  if (row.growth_bytes_per_second !== null && formatGrowth(row.growth_bytes_per_second) !== "–")
    words.push(formatGrowth(row.growth_bytes_per_second) + " per minute");
  setText(byId("facts"), words.join("  ·  "));
}

function showValues(candle) {
  const line = byId("values");
  line.replaceChildren();
  if (!candle) {
    line.textContent = "";
    return;
  }
  const [start, open, high, low, close] = candle;
  const end = start + INTERVALS[shown.interval];
  const pairs = [["", `${formatTime(start)} – ${formatTime(end)}`], ["open", formatBytes(open)],
                 ["high", formatBytes(high)], ["low", formatBytes(low)], ["close", formatBytes(close)],
                 ["change", (close > open ? "+" : "") + formatBytes(close - open)]];
  for (const [name, words] of pairs) {
    const label = document.createElement("span");
    const value = document.createElement("b");
    label.textContent = name;
    value.textContent = words;
    line.append(label, value);
  }
}

function choose(kind, id, name) {
  shown.chosen = {kind, id, name};
  shown.candlesAt = -Infinity;
  setText(byId("subject"), name);
  setText(byId("facts"), kind === "groups" ? "group" : "");
  chart.show([], INTERVALS[shown.interval], "reading …");
  markChosen();
  updateCandles();
}

/*
 * Beside the rounds, which go on while candles are read; one request at a time for what is chosen.
 * That the exporter is gone is seen by the rounds.
 */
async function updateCandles() {
  const chosen = shown.chosen;
  const interval = shown.interval;
  if (!chosen || performance.now() - shown.candlesAt < CANDLES_EVERY_MS)
    return;
  shown.candlesAt = Infinity;
  const subject = chosen.kind === "groups" ? "group" : "process";
  let data = null;
  let trouble = "";
  try {
    data = await ask("candles", {[subject]: chosen.id, interval, since: sinceOf(interval)}, CANDLES_MS);
  } catch (error) {
    trouble = !(error instanceof ApiError) ? NO_ANSWER : error.status === 404 ? "it has ended" : error.message;
  }
  if (chosen !== shown.chosen || interval !== shown.interval)
    return;
  shown.candlesAt = performance.now();
  if (data)
    chart.show(data.candles, INTERVALS[interval], "no candles yet");
  else if (!chart.candles.length)
    chart.show([], INTERVALS[interval], "no candles");
  setText(byId("origin"), !data ? trouble : data.source === "history" ? "from the history"
    : "of the last 15 minutes, every 10 s; more with a history");
}

/* As many windows as a wide chart holds, in seconds. */
function sinceOf(interval) {
  return Math.floor((Date.now() - 160 * INTERVALS[interval]) / 1000);
}

/* --- the pace --------------------------------------------------------------------------------- */

function showStatus(status) {
  const total = status.memory_total_bytes;
  const used = total - status.memory_available_bytes;
  byId("machine").hidden = total === null || status.memory_available_bytes === null;
  byId("used").setAttribute("width", String(100 * used / total));
  setText(byId("memory"), `${formatBytes(used)} of ${formatBytes(total)} in use`);
  setText(byId("counts"), `${status.processes} processes in ${status.groups} groups`);
  shown.stepMs = status.step_ms;
  shown.periodMs = Math.min(Math.max(status.interval_ms, 1000), 60000);
  setState("live", "live, every " + (status.interval_ms >= 60000
    ? `${Math.round(status.interval_ms / 60000)} min` : `${status.interval_ms / 1000} s`));
  watch();
}

/* "Live" holds for three rounds; a later answer is one all the same. */
function watch() {
  clearTimeout(shown.watch);
  shown.watch = setTimeout(() => setState("gone", NO_ANSWER), Math.max(3000, 3 * shown.periodMs));
}

function showTrouble(error) {
  clearTimeout(shown.watch);
  setState("gone", error instanceof ApiError ? error.message : NO_ANSWER);
}

function pause() {
  clearTimeout(shown.timer);
  clearTimeout(shown.watch);
  setState("paused", "paused");
}

/* One round; never two at a time. */
async function update() {
  clearTimeout(shown.timer);
  if (shown.isAsking) {
    shown.isWanted = true;
    return;
  }
  shown.isAsking = true;
  let waitMs = RETRY_MS;
  try {
    const status = await ask("status", {});
    if (!status.up)
      throw new ApiError(503, status.reason);
    await Promise.all([updateTable("processes"), updateTable("groups")]);
    showStatus(status);
    updateCandles();
    waitMs = shown.periodMs;
  } catch (error) {
    showTrouble(error);
  }
  shown.isAsking = false;
  if (shown.isWanted) {
    shown.isWanted = false;
    update();
  } else if (document.hidden) {
    pause();
  } else {
    shown.timer = setTimeout(update, Math.min(waitMs, shown.periodMs));
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    pause();
  } else {
    watch();
    update();
  }
});

/* --- switches --------------------------------------------------------------------------------- */

function press(buttons, pressed) {
  for (const button of buttons)
    button.setAttribute("aria-pressed", String(button === pressed));
}

for (const button of document.querySelectorAll("[data-order]"))
  button.addEventListener("click", () => {
    const kind = button.dataset.list;
    press(document.querySelectorAll(`[data-list="${kind}"]`), button);
    shown.order[kind] = button.dataset.order;
    shown.seriesAt[kind] = -Infinity;
    update();
  });

for (const button of document.querySelectorAll("[data-interval]"))
  button.addEventListener("click", () => {
    press(document.querySelectorAll("[data-interval]"), button);
    shown.interval = button.dataset.interval;
    shown.candlesAt = -Infinity;
    chart.show([], INTERVALS[shown.interval], "reading …");
    update();
  });

const THEMES = ["auto", "dark", "light"];

function setTheme(theme) {
  const button = byId("theme");
  if (theme === "auto")
    delete document.documentElement.dataset.theme;
  else
    document.documentElement.dataset.theme = theme;
  button.textContent = theme;
  button.title = "colours: " + (theme === "auto" ? "as the system has them" : theme);
  button.setAttribute("aria-label", button.title);
}

/* Storage may be refused. */
function storedTheme(theme) {
  try {
    if (theme)
      localStorage.setItem("theme", theme);
    return localStorage.getItem("theme");
  } catch {
    return theme;
  }
}

let theme = storedTheme();
theme = THEMES.includes(theme) ? theme : "auto";
setTheme(theme);
byId("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  setTheme(theme);
  storedTheme(theme);
});

makeTable("processes");
makeTable("groups");
watch();
update();
