// Tests the page of examples/ticker in a real browser: its chart shows the newest prices, even if
// the reader is slow.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { BROKEN, launch, openPage, screenshot, throttle } from "./chromium.mjs";
import { freePort, startServer } from "./server.mjs";

/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 15_000 };
const RETURN = { timeout: 40_000 };
const SYMBOLS = ["AQUA", "BREW", "COIL", "DUNE", "ECHO", "FERN", "GLOW", "HAZE"];
/** The colour of the first series. */
const FIRST_COLOUR = [0x2b, 0x8c, 0xbe];

let browser;
let port;
let server;
let opened;
let page;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  opened = [];
  port = await freePort();
  server = await start();
  page = await open();
});

afterEach(async () => {
  try {
    if (page) {
      // The page at the end of the test, for a person to look at after a failure.
      await screenshot(page, "ticker-last");
    }
    await Promise.all(opened.map(({ page }) => page.close()));
  } finally {
    await server?.stop();
    page = server = undefined;
  }
});

const start = () => startServer("ticker", port, [`localhost:${port}`]);
// If a number decreases, the page throws, and the test fails because of the uncaught error.
const errors = () => opened.flatMap(({ errors }) => errors);
const state = (page, name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, wait);

async function open() {
  const one = await openPage(browser, BROKEN);
  opened.push(one);
  await one.page.goto(`http://localhost:${port}/`);
  await state(one.page, "open");
  return one.page;
}

/** Sets the updates per second. Returns the number so far, which is final if the rate is zero. */
async function setRate(perSecond) {
  const response = await fetch(`http://localhost:${port}/rate`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ per_second: perSecond }),
  });
  assert.equal(response.status, 200);
  return (await response.json()).published;
}

const prices = (page) =>
  page.$$eval("#prices li", (rows) =>
    rows.map((row) => [row.querySelector("b").textContent, row.querySelector("span").textContent, row.dataset.number]),
  );

/**
 * Waits until the page accounts for this number of updates. It adds up the numbers of the newest
 * update of each symbol, which also count the updates that were left out.
 */
async function reaches(page, updates, wait = SOON) {
  const heard = (updates) => {
    const rows = [...document.querySelectorAll("#prices li")];
    const sum = rows.reduce((sum, row) => sum + Number(row.dataset.number ?? 0), 0);
    return sum >= updates && sum;
  };
  const sum = await page.waitForFunction(heard, updates, wait).catch(async (error) => {
    throw new Error(`${await page.evaluate(heard, 0)} of ${updates}`, { cause: error });
  });
  return sum.jsonValue();
}

test("the chart is drawn, every price is updated, and no number decreases", async () => {
  await reaches(page, 2_000);
  assert.deepEqual((await prices(page)).map(([symbol]) => symbol).sort(), SYMBOLS);
  const before = await prices(page);
  await page.waitForFunction(
    (before) => {
      const now = [...document.querySelectorAll("#prices li")].map((row) => Number(row.dataset.number));
      return now.every((number, index) => number > before[index]);
    },
    before.map(([, , number]) => Number(number)),
    SOON,
  );
  const isDrawn = ([red, green, blue]) => {
    const canvas = document.querySelector("#chart canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      count += data[at] === red && data[at + 1] === green && data[at + 2] === blue;
    }
    return count > 20;
  };
  await page.waitForFunction(isDrawn, FIRST_COLOUR, SOON);
  await screenshot(page, "ticker");
  assert.deepEqual(errors(), []);
});

test("a newcomer has every price at once, and the same prices as other pages", async () => {
  await reaches(page, 500);
  const published = await setRate(0);
  assert.equal(await reaches(page, published), published);
  const newcomer = await open();
  assert.equal(await reaches(newcomer, published), published, "nothing was published since: this is the snapshot");
  const sorted = async (page) => (await prices(page)).sort();
  assert.deepEqual(await sorted(newcomer), await sorted(page));
  assert.deepEqual(errors(), []);
});

test("a page ends with the newest price of each symbol, even if it was slow", async () => {
  const slow = await open();
  await throttle(slow, 4_000);
  const all = await open();
  await all.getByLabel("This page takes").selectOption("0");
  await setRate(20_000);
  await reaches(page, 40_000, RETURN);
  const published = await setRate(0);
  for (const one of [page, all, slow]) {
    assert.equal(await reaches(one, published, RETURN), published);
  }
  assert.deepEqual(errors(), []);
});

test("a page with a pace of one a second gets a few of thousands of updates", async () => {
  await setRate(5_000);
  await page.getByLabel("This page takes").selectOption("1000");
  await page.waitForFunction(
    () => {
      const number = (id) => Number(document.getElementById(id).textContent.replace(/[^0-9]/g, ""));
      return number("published") > 1_000 && number("received") > 0 && number("received") <= 40 && number("conflated") >= 95;
    },
    null,
    RETURN,
  );
  assert.deepEqual(errors(), []);
});

test("the page reconnects to a server that is killed and starts again, and the numbers begin again", async () => {
  await reaches(page, 5_000);
  await server.kill();
  await state(page, "waiting");
  server = await start();
  await state(page, "open", RETURN);
  const published = await setRate(0);
  await page.waitForFunction(
    (published) => {
      const rows = [...document.querySelectorAll("#prices li")];
      return rows.reduce((sum, row) => sum + Number(row.dataset.number), 0) === published;
    },
    published,
    SOON,
  );
  assert.deepEqual(errors(), []);
});
