/*
 * A candlestick chart in SVG. Nothing of a page is assumed but the element it is put into:
 *
 *     const chart = new CandleChart(element, onPoint);   // onPoint(candle or null)
 *     chart.show(candles, intervalMs, empty);            // [[start_ms, open, high, low, close, samples]]
 *
 * The chart has the focus for the keyboard: arrows go from candle to candle, Escape leaves.
 */
"use strict";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/* Three digits and a unit: "1.50 GiB". */
function formatBytes(bytes) {
  let unit = 0;
  let value = Math.abs(bytes);
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return (bytes < 0 ? "−" : "") + value.toFixed(digits) + " " + UNITS[unit];
}

/*
 * The words for values of a scale whose lines are `step` apart: all in the unit of the highest, and
 * with as many decimals as it takes to tell one line from the next.
 */
function scaleWords(step, high) {
  let unit = 0;
  while (high / 1024 ** unit >= 999.5 && unit < UNITS.length - 1)
    unit++;
  const part = step / 1024 ** unit;
  const digits = part >= 1 ? 0 : part === 0.5 ? 1 : Math.max(2, Math.ceil(-Math.log10(part)));
  return (bytes) => bytes === 0 ? "0" : (bytes / 1024 ** unit).toFixed(digits) + " " + UNITS[unit];
}

function formatTime(ms) {
  const t = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return two(t.getHours()) + ":" + two(t.getMinutes());
}

function svgElement(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes))
    element.setAttribute(key, value);
  return element;
}

/* A power of two, so that its multiples are round in binary units. */
function niceStep(span, count) {
  return Math.max(4096, 2 ** Math.ceil(Math.log2(span / count)));
}

class CandleChart {
  constructor(element, onPoint) {
    this.element = element;
    this.onPoint = onPoint;
    this.candles = [];
    this.intervalMs = 60000;
    this.empty = ""; /* what is said when there are none */
    this.chosen = null; /* start of the candle pointed at */
    this.svg = svgElement("svg", {tabindex: "0", role: "img", "aria-label": "candles"});
    element.append(this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.svg.addEventListener("pointerdown", (event) => this.point(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.choose(null));
    this.svg.addEventListener("blur", () => this.choose(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  show(candles, intervalMs, empty) {
    this.candles = candles;
    this.empty = empty;
    this.intervalMs = intervalMs;
    this.draw();
    this.onPoint(this.pointed());
  }

  pointed() {
    return this.visible().find((candle) => candle[0] === this.chosen) || null;
  }

  choose(start) {
    if (this.chosen === start)
      return;
    this.chosen = start;
    this.draw();
    this.onPoint(this.pointed());
  }

  point(x) {
    const start = this.start + Math.floor((x - this.left) / this.step) * this.intervalMs;
    const candle = this.visible().find((c) => c[0] === start);
    this.choose(candle ? candle[0] : null);
  }

  key(event) {
    const all = this.visible();
    const at = all.findIndex((candle) => candle[0] === this.chosen);
    const next = {ArrowLeft: at < 0 ? all.length - 1 : at - 1, ArrowRight: at + 1, Home: 0,
                  End: all.length - 1}[event.key];
    if (event.key === "Escape") {
      this.choose(null);
    } else if (next !== undefined && all.length) {
      event.preventDefault();
      this.choose(all[Math.min(Math.max(next, 0), all.length - 1)][0]);
    }
  }

  /* Those that there is room for. */
  visible() {
    const room = Math.max(10, Math.floor((this.element.clientWidth - 90) / 9));
    const last = this.candles.length ? this.candles[this.candles.length - 1][0] : 0;
    return this.candles.filter((candle) => candle[0] > last - room * this.intervalMs);
  }

  draw() {
    const width = this.element.clientWidth - 12;
    const height = this.element.clientHeight;
    const all = this.visible();
    this.svg.replaceChildren();
    if (width < 100 || height < 60)
      return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    if (!all.length) {
      this.svg.setAttribute("aria-label", this.empty);
      const text = svgElement("text", {x: width / 2, y: height / 2, "text-anchor": "middle"});
      text.textContent = this.empty;
      this.svg.append(text);
      return;
    }
    const last = all[all.length - 1];
    this.svg.setAttribute("aria-label", `${all.length} candles, the last closed at ` +
                          `${formatBytes(last[4])}, highest ` +
                          formatBytes(Math.max(...all.map((c) => c[2]))));
    this.place(all, width, height);
    this.drawGrid(width, height);
    for (const candle of all)
      this.drawCandle(candle);
    this.drawLevel(last[4], width);
  }

  /* From times and bytes to pixels. */
  place(all, width, height) {
    const last = all[all.length - 1][0];
    let low = Math.min(...all.map((c) => c[3]));
    let high = Math.max(...all.map((c) => c[2]));
    const pad = Math.max((high - low) * 0.06, high * 0.002, 4096);
    this.left = 4;
    this.top = 10;
    this.bottom = height - 24;
    this.low = Math.max(0, low - pad);
    this.high = high + pad;
    this.unit = niceStep(this.high - this.low, 6);
    this.words = scaleWords(this.unit, this.high);
    this.right = width - Math.max(74, 14 + 7.6 * this.words(this.high).length);
    const columns = Math.max(16, Math.round((last - all[0][0]) / this.intervalMs) + 1);
    this.start = last - (columns - 1) * this.intervalMs;
    this.step = (this.right - this.left) / columns;
  }

  x(ms) {
    return this.left + (ms - this.start) / this.intervalMs * this.step;
  }

  y(bytes) {
    return this.bottom - (bytes - this.low) / (this.high - this.low) * (this.bottom - this.top);
  }

  drawGrid(width, height) {
    const first = Math.ceil(this.low / this.unit) * this.unit;
    for (let bytes = first; bytes < this.high; bytes += this.unit) {
      const y = Math.round(this.y(bytes)) + 0.5;
      this.svg.append(svgElement("line", {class: "grid", x1: this.left, x2: this.right, y1: y, y2: y}));
      this.label(this.right + 8, y + 4, this.words(bytes), "start").setAttribute("class", "tick");
    }
    const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440]
      .find((m) => m * 60000 / this.intervalMs * this.step >= 64) || 2880;
    const zone = new Date(this.start).getTimezoneOffset() * 60000;
    const every = minutes * 60000;
    for (let ms = Math.ceil((this.start - zone) / every) * every + zone; ; ms += every) {
      const x = Math.round(this.x(ms)) + 0.5;
      if (x > this.right)
        break;
      this.svg.append(svgElement("line", {class: "grid", x1: x, x2: x, y1: this.top, y2: this.bottom}));
      if (x > 18 && x < this.right - 10)
        this.label(x, height - 7, formatTime(ms), "middle");
    }
  }

  label(x, y, words, anchor) {
    const text = svgElement("text", {x, y, "text-anchor": anchor});
    text.textContent = words;
    this.svg.append(text);
    return text;
  }

  drawCandle([start, open, high, low, close]) {
    const width = Math.min(Math.max(this.step * 0.66, 1.5), 22);
    const middle = this.x(start) + this.step / 2;
    const top = Math.min(this.y(open), this.y(close));
    const group = svgElement("g", {class: close > open ? "up" : "down"});
    if (start === this.chosen)
      this.svg.append(svgElement("rect", {class: "cursor", x: this.x(start), y: this.top,
                                          width: this.step, height: this.bottom - this.top}));
    group.append(svgElement("line", {x1: middle, x2: middle, y1: this.y(high), y2: this.y(low)}));
    group.append(svgElement("rect", {x: middle - width / 2, y: top, width, rx: 1, "stroke-width": 0,
                                     height: Math.max(Math.abs(this.y(open) - this.y(close)), 1.5)}));
    this.svg.append(group);
  }

  /* Where it stands now. */
  drawLevel(bytes, width) {
    const y = this.y(bytes);
    const words = this.words(bytes);
    this.svg.append(svgElement("line", {class: "level", x1: this.left, x2: this.right, y1: y, y2: y}));
    /* over a label of the grid it would not be read, and the same words twice say nothing */
    for (const text of this.svg.querySelectorAll(".tick"))
      if (text.textContent === words || Math.abs(Number(text.getAttribute("y")) - y - 4) < 13)
        text.remove();
    this.label(this.right + 8, y + 4, words, "start").setAttribute("class", "now");
  }
}
