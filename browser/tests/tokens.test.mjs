// Tests the page of examples/tokens in a real browser: after a reload the page continues the
// running reply, and shows the whole text once.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, openPage, screenshot } from "./chromium.mjs";
import { startServer } from "./server.mjs";

const PORT = 7878;
const URL = `http://localhost:${PORT}/`;
/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 15_000 };
/** A time limit for a whole reply, which takes several seconds. */
const WHOLE = { timeout: 45_000 };
const PROMPT = "Who counts the <b>waves</b>?";

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
  server = await startServer("tokens", PORT);
  ({ page, errors } = await openPage(browser));
  await page.goto(URL);
});

afterEach(async () => {
  try {
    if (page) {
      // The page at the end of the test, for a person to look at after a failure.
      await screenshot(page, "tokens-last");
      await page.close();
    }
  } finally {
    await server?.stop();
    page = server = undefined;
  }
});

const state = (page, name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, wait);
const shown = (page) => page.locator("#reply").textContent();
const number = async (page, id) => Number(await page.locator(id).textContent());

async function ask() {
  await page.getByLabel("Ask something").fill(PROMPT);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
}

async function atLeast(page, id, count) {
  await page.waitForFunction(([id, count]) => Number(document.querySelector(id).textContent) >= count, [id, count], SOON);
}

/** The reply to the same prompt in one piece, from the endpoint that other clients use. */
async function whole() {
  const messages = [{ role: "user", content: PROMPT }];
  const response = await fetch(`${URL}v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "volga-1", messages }),
  });
  return (await response.json()).choices[0].message.content;
}

const facts = async () => (await fetch(`${URL}facts`)).json();

test("after a reload the page continues the running reply and shows the whole text once", async () => {
  await ask();
  await atLeast(page, "#tokens", 5);
  await page.reload();
  await state(page, "running");
  const stored = await number(page, "#stored");
  assert.ok(stored >= 5, `${stored} tokens from before the reload`);
  await atLeast(page, "#attached", 5);
  await screenshot(page, "tokens");
  await page.reload();
  await state(page, "done", WHOLE);
  assert.equal(await shown(page), await whole());
  assert.ok((await number(page, "#stored")) >= stored + 5);
  assert.ok((await number(page, "#attached")) > 0, "the rest came after the second reload");

  // The third time, the reply is over, and the page shows all of it.
  await page.reload();
  await state(page, "done");
  assert.equal(await shown(page), await whole());
  assert.deepEqual(errors, []);
});

test("a second page at the same address reads the reply from its start, and both show all of it", async () => {
  await ask();
  await atLeast(page, "#tokens", 5);
  const context = await browser.newContext();
  const other = await context.newPage();
  await other.goto(page.url());
  await state(other, "running");
  assert.equal(await number(other, "#stored"), 0);
  await Promise.all([page, other].map((page) => state(page, "done", WHOLE)));
  const texts = await Promise.all([page, other].map(shown));
  const expect = await whole();
  assert.deepEqual(texts, [expect, expect]);
  await context.close();
  assert.deepEqual(errors, []);
});

test("when one page stops the reply, the producer ends, and each page keeps its text", async () => {
  await ask();
  await atLeast(page, "#tokens", 5);
  const context = await browser.newContext();
  const other = await context.newPage();
  await other.goto(page.url());
  await atLeast(other, "#tokens", 5);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  // The other page's stream is cut, it reconnects, and is told that the reply is over.
  await Promise.all([page, other].map((page) => state(page, "stopped")));
  assert.equal((await facts()).running, 0);
  const expect = await whole();
  for (const text of await Promise.all([page, other].map(shown))) {
    assert.ok(text.length > 0 && text.length < expect.length && expect.startsWith(text), text);
  }
  const text = await shown(page);
  await page.reload();
  await state(page, "stopped");
  assert.equal(await shown(page), text);
  await context.close();
  // The stopped stream is cut, unless the page closed it first. The browser logs a cut stream.
  assert.deepEqual(errors.filter((error) => !error.includes("ERR_INCOMPLETE_CHUNKED_ENCODING")), []);
});

test("a server that starts again has lost the reply, and the page says so and stops asking", async () => {
  await ask();
  await atLeast(page, "#tokens", 2);
  assert.equal(await server.stop(), 0, "SIGTERM with a running reply ends the process with code 0");
  server = await startServer("tokens", PORT);
  await page.reload();
  await page.waitForSelector('#state:is([data-state="broken"], [data-state="done"])', WHOLE);
  assert.deepEqual(errors.filter((error) => !error.includes("404")), []);
});
