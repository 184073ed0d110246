// Tests two pages of examples/todo in a real browser: a change on one page appears on the other.

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

let browser;
let server;
let here;
let there;
let errors;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  server = await startServer("todo", PORT);
  const pages = await Promise.all([openPage(browser), openPage(browser)]);
  [here, there] = pages.map(({ page }) => page);
  errors = () => pages.flatMap(({ errors }) => errors);
  await Promise.all([here, there].map((page) => page.goto(URL)));
  await Promise.all([here, there].map((page) => state(page, "open")));
});

afterEach(async () => {
  try {
    if (there) {
      // The other page at the end of the test, for a person to look at after a failure.
      await screenshot(there, "todo-last");
    }
    await Promise.all([here, there].map((page) => page?.close()));
  } finally {
    await server?.stop();
    here = there = server = undefined;
  }
});

const state = (page, name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, wait);

async function add(page, title) {
  await page.getByLabel("What is to be done?").fill(title);
  await page.getByRole("button", { name: "Add", exact: true }).click();
}

/** Waits until a page shows these todos in this order. Done todos begin with `x `. */
async function shows(page, expect, wait = SOON) {
  const shown = () =>
    [...document.querySelectorAll("#todos li")].map(
      (row) => (row.querySelector("input").checked ? "x " : "") + row.querySelector(".title").textContent,
    );
  try {
    await page.waitForFunction(`JSON.stringify((${shown})()) === ${JSON.stringify(JSON.stringify(expect))}`, null, wait);
  } catch {
    assert.deepEqual(await page.evaluate(shown), expect);
  }
}

test("a todo that one page adds, ticks or deletes changes on the other page", async () => {
  const both = (expect) => Promise.all([here, there].map((page) => shows(page, expect)));
  await both([]);
  await add(here, "water the plants");
  await both(["water the plants"]);
  await add(there, "<b>not bold</b>");
  await both(["water the plants", "<b>not bold</b>"]);
  await here.getByLabel("<b>not bold</b>").first().check();
  await both(["water the plants", "x <b>not bold</b>"]);
  await screenshot(there, "todo");
  await there.getByLabel("<b>not bold</b>").first().uncheck();
  await both(["water the plants", "<b>not bold</b>"]);
  await there.getByRole("button", { name: "Delete water the plants" }).click();
  await both(["<b>not bold</b>"]);
  assert.deepEqual(errors(), []);
});

test("the page can be used with the keyboard alone", async () => {
  await here.getByLabel("What is to be done?").focus();
  for (const title of ["one", "two"]) {
    await here.keyboard.type(title);
    await here.keyboard.press("Enter");
    await here.waitForFunction(() => document.activeElement.id === "title" && !document.activeElement.value, null, SOON);
  }
  await shows(there, ["one", "two"]);
  // The focus moves from the title over the button to the first box.
  for (const key of ["Tab", "Tab", "Space"]) {
    await here.keyboard.press(key);
  }
  await shows(there, ["x one", "two"]);
  await here.keyboard.press("Tab");
  await here.keyboard.press("Enter");
  await shows(here, ["two"]);
  const focus = await here.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.equal(focus, "Delete two");
  assert.deepEqual(errors(), []);
});

test("the page explains a refused change, and the other page does not show it", async () => {
  await add(here, "  ");
  const problem = here.getByRole("alert");
  await problem.filter({ hasText: "a title has 1 to 200 characters, not 0" }).waitFor(SOON);
  await add(here, "better");
  await shows(there, ["better"]);
  // The other page may get the change before this page has its response.
  await here.waitForFunction(() => document.querySelector('[role="alert"]').textContent === "", null, SOON);
  // The browser itself logs each response with an error status.
  assert.equal(errors().filter((error) => !error.includes("422")).length, 0, errors());
});

test("the pages reconnect to a server that starts again, and show its new list", async () => {
  await add(here, "in memory");
  await shows(there, ["in memory"]);
  assert.equal(await server.stop(), 0, "SIGTERM with open streams ends the process with code 0");
  await state(there, "waiting");
  server = await startServer("todo", PORT);
  await Promise.all([here, there].map((page) => state(page, "open", RETURN)));
  await Promise.all([here, there].map((page) => shows(page, [])));
  await add(here, "new");
  await shows(there, ["new"]);
  assert.deepEqual(errors(), []);
});
