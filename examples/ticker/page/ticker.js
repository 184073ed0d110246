"use strict";

const LABELS = { open: "Live", waiting: "Waiting to return", closed: "Not live: load the page again" };
const COLOURS = {
  AQUA: "#2b8cbe",
  BREW: "#e6550d",
  COIL: "#31a354",
  DUNE: "#8856a7",
  ECHO: "#d6297b",
  FERN: "#b8860b",
  GLOW: "#17a2a2",
  HAZE: "#7f7f7f",
};
/** The time between two points of a series, regardless of the number of updates. */
const SAMPLE_MS = 100;
const SHOWN_SECONDS = 60;
const RATES_MS = 1000;

const element = (id) => document.getElementById(id);
/** For each symbol its newest price, the number of that update, and the row that shows it. */
const series = new Map(Object.entries(COLOURS).map(([symbol, colour]) => [symbol, makeSeries(symbol, colour)]));
/** The data of the chart: a row of times, then a row of prices for each symbol. `null` is a hole. */
const rows = Array.from({ length: series.size + 1 }, () => []);
let chart;
let source;
let received = 0;

/** Opens the stream, or opens it again with another pace. */
function connect() {
  source?.close();
  show("waiting");
  source = new EventSource(`/events?pace=${element("pace").value}`);
  source.onopen = () => show("open");
  source.onerror = () => show(source.readyState === EventSource.CLOSED ? "closed" : "waiting");
  // A newcomer first gets the newest price of each symbol, in the same form as all later updates.
  source.onmessage = (event) => update(JSON.parse(event.data));
  // This happens only after a restart of the server: its numbers begin again, and the chart's old
  // prices do not connect with the new ones.
  source.addEventListener("gap", () => {
    sample(true);
    for (const one of series.values()) {
      one.number = 0;
    }
  });
}

function update({ symbol, price, number }) {
  received += 1;
  const one = series.get(symbol);
  if (number < one.number) {
    throw new Error(`${symbol} went back from update ${one.number} to ${number}`);
  }
  one.price = price;
  one.number = number;
}

function makeSeries(symbol, colour) {
  const row = document.createElement("li");
  row.style.setProperty("--series", colour);
  row.append(document.createElement("b"), document.createElement("span"));
  row.firstElementChild.textContent = symbol;
  element("prices").append(row);
  return { price: null, number: 0, row };
}

/** Adds a point to each series, or a hole to all of them. */
function sample(isHole) {
  const row = [Date.now() / 1000, ...[...series.values()].map((one) => (isHole ? null : one.price))];
  row.forEach((value, index) => rows[index].push(value));
  if (rows[0].length > (SHOWN_SECONDS * 1000) / SAMPLE_MS) {
    rows.forEach((row) => row.shift());
  }
}

function draw() {
  sample(source.readyState !== EventSource.OPEN);
  for (const { row, price, number } of series.values()) {
    row.dataset.number = number;
    row.lastElementChild.textContent = price?.toFixed(2) ?? "–";
  }
  chart.setData(rows);
}

/** The number of all updates. That of a symbol also counts updates that were left out. */
const published = () => [...series.values()].reduce((sum, one) => sum + one.number, 0);

let before = { time: performance.now(), published: 0, received: 0 };
function showRates() {
  const now = { time: performance.now(), published: published(), received };
  const seconds = (now.time - before.time) / 1000;
  // The first snapshot counts updates from before this page, so it gives no rate.
  const sent = before.published ? Math.max(0, now.published - before.published) : 0;
  const came = now.received - before.received;
  element("published").textContent = Math.round(sent / seconds).toLocaleString();
  element("received").textContent = Math.round(came / seconds).toLocaleString();
  element("conflated").textContent = `${sent ? Math.round(100 * Math.max(0, 1 - came / sent)) : 0} %`;
  before = now;
}

function show(state) {
  element("state").dataset.state = state;
  element("state").textContent = LABELS[state];
}

function makeChart() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const lines = Object.entries(COLOURS).map(([label, stroke]) => ({ label, stroke, width: 2, points: { show: false } }));
  const scales = { x: { range: (_, min, max) => [max - SHOWN_SECONDS, max] } };
  const options = { ...size(), scales, legend: { show: false }, cursor: { show: false }, series: [{}, ...lines], axes: [axis, axis] };
  chart?.destroy();
  chart = new uPlot(options, rows, element("chart"));
}

const size = () => ({ width: element("chart").clientWidth, height: element("chart").clientHeight });

async function askForRate(perSecond) {
  const response = await fetch("/rate", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ per_second: perSecond }),
  });
  showRate(await response.json());
}

function showRate({ per_second }) {
  element("rate").value = per_second;
  element("rate-shown").textContent = per_second.toLocaleString();
}

element("rate").addEventListener("input", () => showRate({ per_second: Number(element("rate").value) }));
element("rate").addEventListener("change", () => askForRate(Number(element("rate").value)));
element("pace").addEventListener("change", connect);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", makeChart);

makeChart();
new ResizeObserver(() => chart.setSize(size())).observe(element("chart"));
connect();
setInterval(draw, SAMPLE_MS);
setInterval(showRates, RATES_MS);
fetch("/rate")
  .then((response) => response.json())
  .then(showRate);
