// Tests examples/whiteboard with two browsers that draw together.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, openPage, screenshot } from "./chromium.mjs";
import { freePort, startServer } from "./server.mjs";

/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 15_000 };
const RETURN = { timeout: 30_000 };
/** The browser itself logs a WebSocket that does not open. */
const EXPECTED = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to"];

let browsers;
let server;
let port;
let url;
let here;
let there;
let errors;

before(async () => {
  browsers = await Promise.all([launch(), launch()]);
});

after(async () => {
  await Promise.all((browsers ?? []).map((browser) => browser.close()));
});

beforeEach(async () => {
  port = await freePort();
  url = `http://localhost:${port}/`;
  server = await startServer("whiteboard", port, [`localhost:${port}`]);
  const pages = await Promise.all(browsers.map((browser) => openPage(browser, EXPECTED)));
  [here, there] = pages.map(({ page }) => page);
  errors = () => pages.flatMap(({ errors }) => errors);
  await Promise.all([here, there].map((page) => page.goto(url)));
  await Promise.all([here, there].map((page) => state(page, "open")));
});

afterEach(async () => {
  try {
    if (there) await screenshot(there, "whiteboard-last");
    await Promise.all([here, there].map((page) => page?.close()));
  } finally {
    await server?.stop();
    here = there = server = undefined;
  }
});

const state = (page, name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, wait);

/** Draws from one point of the board to another one. */
async function draw(page, color, [fromX, fromY], [toX, toY]) {
  await page.getByLabel(color).check();
  const { x, y, width } = await page.locator("#board").boundingBox();
  const scale = width / 1000;
  await page.mouse.move(x + fromX * scale, y + fromY * scale);
  await page.mouse.down();
  await page.mouse.move(x + toX * scale, y + toY * scale, { steps: 10 });
  await page.mouse.up();
}

/** Waits until the board has this color at this point: `[red, green, blue]`, or nothing. */
async function shows(page, [x, y], color, wait = SOON) {
  const expect = JSON.stringify(color);
  await page.waitForFunction(
    ([x, y, expect]) => {
      const [red, green, blue, alpha] = document.querySelector("#board").getContext("2d").getImageData(x, y, 1, 1).data;
      return JSON.stringify(alpha === 0 ? null : [red, green, blue]) === expect;
    },
    [x, y, expect],
    wait,
  );
}

const picture = (page) => page.evaluate(() => document.querySelector("#board").toDataURL());

const RED = [0xd0, 0x20, 0x20];
const BLUE = [0x20, 0x50, 0xd0];

test("what one browser draws appears in the other, and a reload brings it back", async () => {
  await draw(here, "red", [100, 100], [300, 100]);
  await draw(there, "blue", [100, 300], [300, 300]);
  for (const page of [here, there]) {
    for (const x of [100, 200, 299]) {
      await shows(page, [x, 100], RED);
      await shows(page, [x, 300], BLUE);
    }
    await shows(page, [200, 200], null);
  }
  const before = await picture(here);
  assert.equal(await picture(there), before);
  await screenshot(there, "whiteboard");
  await here.reload();
  await state(here, "open");
  await shows(here, [299, 100], RED);
  await shows(here, [299, 300], BLUE);
  assert.equal(await picture(here), before);
  await here.getByRole("button", { name: "Clear for all" }).click();
  await Promise.all([here, there].map((page) => shows(page, [200, 100], null)));
  // Also for a page that comes later.
  await there.reload();
  await draw(here, "red", [400, 400], [500, 400]);
  await shows(there, [499, 400], RED);
  await shows(there, [200, 100], null);
  assert.deepEqual(errors(), []);
});

test("the pages return to a server that starts again, with an empty board", async () => {
  await draw(here, "red", [100, 100], [300, 100]);
  await shows(there, [299, 100], RED);
  assert.equal(await server.stop(), 0, "SIGTERM with open WebSockets ends the process with code 0");
  await Promise.all([here, there].map((page) => state(page, "waiting")));
  server = await startServer("whiteboard", port, [`localhost:${port}`]);
  await Promise.all([here, there].map((page) => state(page, "open", RETURN)));
  await Promise.all([here, there].map((page) => shows(page, [200, 100], null)));
  await draw(there, "blue", [100, 300], [300, 300]);
  await shows(here, [299, 300], BLUE);
  assert.deepEqual(errors(), []);
});

test("a page of another origin cannot open the board", async () => {
  const { page } = await openPage(browsers[0], EXPECTED);
  const open = (url) =>
    page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url);
          socket.onopen = () => resolve("open");
          socket.onclose = (event) => resolve(event.code);
          setTimeout(() => resolve("nothing happens"), 10_000);
        }),
      url,
    );
  // An empty page has no origin.
  assert.equal(await open(`ws://localhost:${port}/board`), 1006);
  await page.close();
  assert.deepEqual(errors(), []);
});
