// Tests the page of examples/sse in a real browser: its EventSource receives, leaves, reconnects,
// and survives a restart of the server.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, openPage, screenshot } from "./chromium.mjs";
import { startServer } from "./server.mjs";

const PORT = 7878;
const URL = `http://localhost:${PORT}/`;
/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 15_000 };
/** A time limit for reconnecting: the farewell asks for a wait of up to a few seconds. */
const RETURN = { timeout: 30_000 };
const ROWS = "#messages [data-message]";

let browser;
let server;
let page;
let errors;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  server = await startServer("sse", PORT);
  ({ page, errors } = await openPage(browser));
  await page.goto(URL);
});

afterEach(async () => {
  try {
    if (page) {
      // The page at the end of the test, for a person to look at after a failure.
      await screenshot(page, "sse-last");
      await page.close();
    }
  } finally {
    await server?.stop();
    page = server = undefined;
  }
});

const state = (name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, { ...wait, state: "attached" });
const rows = () => page.locator(ROWS).count();
const returns = async () => (await page.locator("#returns").textContent()).trim();

async function atLeast(count, wait = SOON) {
  await page.waitForFunction(([rows, count]) => document.querySelectorAll(rows).length >= count, [ROWS, count], wait);
}

async function returned(count, wait = SOON) {
  await page.waitForFunction(
    (count) => Number(document.querySelector("#returns").textContent) >= count,
    count,
    wait,
  );
}

test("the page receives the stream's messages and shows the newest first", async () => {
  await state("open");
  await atLeast(3);
  const messages = await page.locator(ROWS).evaluateAll((rows) =>
    rows.map((row) => ({
      data: row.querySelector(".data").textContent,
      event: row.querySelector(".event").textContent.trim(),
      time: row.querySelector(".time").textContent.trim(),
      id: row.querySelector(".id") !== null,
    })),
  );
  for (const message of messages) {
    assert.equal(message.data, "Hello, world!");
    assert.equal(message.event, "message");
    assert.notEqual(message.time, "");
    assert.ok(message.id, "each row has a place for its id");
  }

  // A mark on the newest row moves down when the next row comes.
  await page.locator(ROWS).first().evaluate((row) => (row.dataset.mark = "old"));
  await page.waitForFunction((rows) => !document.querySelector(rows).dataset.mark, ROWS, SOON);
  assert.equal(await returns(), "0");
  await screenshot(page, "sse");
  assert.deepEqual(errors, []);
});

test("leaving closes the stream, coming back opens it again", async () => {
  await atLeast(1);
  const toggle = page.locator("#toggle");
  assert.equal((await toggle.textContent()).trim(), "Leave");
  await toggle.click();
  await state("closed");
  assert.equal((await toggle.textContent()).trim(), "Come back");

  // Only waiting can show that nothing comes: longer than the second between two messages.
  const left = await rows();
  const more = page.waitForFunction(([rows, count]) => document.querySelectorAll(rows).length > count, [ROWS, left], {
    timeout: 2_500,
  });
  await assert.rejects(more, { name: "TimeoutError" }, "a row came after leaving");

  await toggle.click();
  await state("open");
  await returned(1);
  await atLeast(left + 1);
  assert.equal(await returns(), "1");
  assert.equal((await toggle.textContent()).trim(), "Leave");
  assert.deepEqual(errors, []);
});

test("the page reconnects by itself to a server that stops and starts again", async () => {
  await atLeast(1);
  const left = await rows();
  assert.equal(await server.stop(), 0, "SIGTERM with an open stream ends the process with code 0");
  await state("waiting");

  server = await startServer("sse", PORT);
  await state("open", RETURN);
  await returned(1, RETURN);
  await atLeast(left + 1);
  assert.equal(await returns(), "1");
  assert.deepEqual(errors, []);
});
