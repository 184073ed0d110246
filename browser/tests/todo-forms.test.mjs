// Tests the page of examples/todo in a real browser with JavaScript switched off: it works by its
// forms.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, screenshot } from "./chromium.mjs";
import { startServer } from "./server.mjs";

const PORT = 7878;
const URL = `http://localhost:${PORT}/`;
/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 15_000 };

let browser;
let server;
let page;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  server = await startServer("todo", PORT);
  const context = await browser.newContext({ javaScriptEnabled: false });
  page = await context.newPage();
  await page.goto(URL);
});

afterEach(async () => {
  try {
    if (page) {
      await screenshot(page, "todo-forms-last");
    }
    await page?.context().close();
  } finally {
    await server?.stop();
    page = server = undefined;
  }
});

async function add(title) {
  await page.getByLabel("What is to be done?").fill(title);
  await page.getByRole("button", { name: "Add", exact: true }).click();
}

/** Waits until the page shows these titles in this order. */
async function shows(titles) {
  const rows = page.locator("#plain li .title");
  for (const [index, title] of titles.entries()) {
    await rows.nth(index).filter({ hasText: title }).waitFor(SOON);
  }
  assert.deepEqual(await rows.allTextContents(), titles);
}

test("without JavaScript a todo is added, done and deleted by forms", async () => {
  await shows([]);
  await add("water the plants");
  await add("<b>not bold</b>");
  await shows(["water the plants", "<b>not bold</b>"]);

  await page.getByRole("button", { name: "Done: water the plants" }).click();
  await page.locator("#plain .done", { hasText: "water the plants" }).waitFor(SOON);
  await screenshot(page, "todo-forms");
  await page.getByRole("button", { name: "Undo: water the plants" }).click();
  await page.getByRole("button", { name: "Done: water the plants" }).waitFor(SOON);

  await page.getByRole("button", { name: "Delete water the plants" }).click();
  await shows(["<b>not bold</b>"]);
  // The list that only JavaScript fills is not shown.
  assert.equal(await page.locator("#todos").isVisible(), false);
});

test("a refused form shows the reason and the list, and a reload sends nothing twice", async () => {
  await add("once");
  await shows(["once"]);
  await page.reload();
  await shows(["once"]);
  await add("   ");
  await page.getByRole("alert").filter({ hasText: "a title has 1 to 200 characters, not 0" }).waitFor(SOON);
  await shows(["once"]);
});
