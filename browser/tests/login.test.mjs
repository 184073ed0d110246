// Tests the pages of examples/login: the stream of every tab ends when the user signs out in one
// of them, other users stay, and a page resumes after a restart.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { BROKEN, launch, screenshot } from "./chromium.mjs";
import { freePort, startServer } from "./server.mjs";

/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 15_000 };
/** A time limit for reconnecting: the farewell asks for a wait of up to a few seconds. */
const RETURN = { timeout: 40_000 };
const PASSWORD = "correct horse";

let browser;
let folder;
let port;
let server;
let contexts;
let errors;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "volga-login-"));
  port = await freePort();
  server = await start();
  contexts = [];
  errors = [];
});

afterEach(async () => {
  try {
    await Promise.all(contexts.map((context) => context.close()));
  } finally {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
    server = undefined;
  }
});

const start = () => startServer("login", port, [join(folder, "accounts.sqlite"), `localhost:${port}`]);
const url = (path) => `http://localhost:${port}${path}`;
const state = (page, name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, wait);
const lines = (page, list = "list") => page.locator(`#${list} li`).allTextContents();

/** A browser with cookies of its own. */
async function newContext() {
  const context = await browser.newContext();
  contexts.push(context);
  return context;
}

/** Opens a tab, and collects its errors. A 401 is how a stream without a session ends. */
async function openTab(context, path = "/") {
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    const isExpected = [...BROKEN, "401 (Unauthorized)"].some((text) => message.text().includes(text));
    if (message.type() === "error" && !isExpected) {
      errors.push(`console: ${message.text()} (${message.location().url})`);
    }
  });
  await page.goto(url(path));
  return page;
}

/** Creates an account, and returns its first tab, which is connected. */
async function enter(context, name) {
  const page = await openTab(context, "/login");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create an account" }).click();
  await state(page, "open");
  return page;
}

async function send(page, to, text) {
  await page.getByLabel("To", { exact: true }).fill(to);
  await page.getByLabel("Text").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

/** Waits until a list has a line with this text. */
async function waitForLine(page, text, list = "list", wait = SOON) {
  await page.locator(`#${list} li`, { hasText: text }).first().waitFor(wait);
}

test("signing out ends the streams in every tab of the user, and nobody else's", async () => {
  const [ofAnna, ofBen] = [await newContext(), await newContext()];
  const first = await enter(ofAnna, "anna");
  const second = await openTab(ofAnna);
  await state(second, "open");
  const ben = await enter(ofBen, "ben");

  // Both tabs of Anna are one person to Ben.
  await waitForLine(ben, "anna", "online");
  assert.deepEqual(await lines(ben, "online"), ["anna", "ben"]);
  await send(ben, "anna", "hello <b>Anna</b>");
  for (const page of [first, second]) {
    await waitForLine(page, "ben: hello <b>Anna</b>");
  }
  await screenshot(first, "login-home");

  await second.getByRole("button", { name: "Sign out" }).click();
  for (const page of [first, second]) {
    await page.waitForURL(url("/login"), SOON);
  }
  await ben.waitForFunction(() => document.querySelectorAll("#online li").length === 1, null, SOON);
  assert.deepEqual(await lines(ben, "online"), ["ben"]);
  await state(ben, "open");

  // The back button shows no page of the user who has left.
  await first.goBack();
  await first.waitForURL(url("/login"), SOON);
  assert.deepEqual(errors, []);
});

test("the session survives a restart, and the page gets what comes after it", async () => {
  const page = await enter(await newContext(), "anna");
  await send(page, "anna", "before");
  await waitForLine(page, "before");
  assert.equal(await server.stop(), 0);
  await state(page, "waiting");
  server = await start();
  await state(page, "open", RETURN);
  await send(page, "anna", "after");
  await waitForLine(page, "after");
  const shown = await lines(page);
  assert.deepEqual(
    shown.filter((line) => line.startsWith("anna:")),
    ["anna: before", "anna: after"],
  );
  assert.deepEqual(errors, []);
});

test("the cookie is not for scripts, and another site cannot use it", async () => {
  const context = await newContext();
  const page = await enter(context, "anna");
  assert.equal(await page.evaluate(() => document.cookie), "");
  const [cookie] = await context.cookies();
  assert.equal(cookie.name, "session");
  assert.ok(cookie.httpOnly && cookie.sameSite === "Lax" && cookie.path === "/" && cookie.expires === -1);
  // The same machine under another name is another site, whose requests have no cookie. Another port
  // is the same site, whose requests have the cookie. These pages have no policy of their own.
  const otherPort = await freePort();
  const otherServer = await startServer("login", otherPort, [":memory:", `localhost:${otherPort}`]);
  try {
    for (const from of [`http://127.0.0.1:${port}`, `http://localhost:${otherPort}`]) {
      const other = await context.newPage();
      await other.goto(`${from}/live`);
      const status = await other.evaluate(
        (to) => fetch(to, { method: "POST", credentials: "include", mode: "no-cors" }).then(() => "sent"),
        url("/logout"),
      );
      assert.equal(status, "sent");
      await page.reload();
      await state(page, "open");
    }
  } finally {
    await otherServer.stop();
  }
  assert.deepEqual(errors, []);
});

test("a ticket opens one stream, which returns with a new ticket", async () => {
  const page = await enter(await newContext(), "anna");
  await page.getByRole("button", { name: "Create a token" }).click();
  await page.getByRole("button", { name: "Open a stream by a ticket" }).click();
  await page.waitForSelector('#by-ticket[data-state="open"]', { state: "attached", ...SOON });
  await send(page, "anna", "one");
  await waitForLine(page, "one", "by-ticket");

  // The page asks for a ticket while the server is away, and asks again.
  const isTicket = (request) => request.url().endsWith("/api/tickets");
  const unanswered = page.waitForEvent("requestfailed", { predicate: isTicket, ...RETURN });
  assert.equal(await server.stop(), 0);
  await unanswered;
  server = await start();
  await state(page, "open", RETURN);
  await send(page, "anna", "two");
  await waitForLine(page, "two", "by-ticket", RETURN);
  const shown = await lines(page, "by-ticket");
  // The new server knows nothing of before, so the stream says that something may be missing.
  assert.deepEqual(shown, ["anna: one", "Some notifications are missing.", "anna: two"]);
  assert.deepEqual(errors, []);
});

test("a wrong password shows the form again, and says so", async () => {
  const context = await newContext();
  const page = await enter(context, "anna");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(url("/login"), SOON);
  await page.getByLabel("Name").fill("anna");
  await page.getByLabel("Password").fill("wrong horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("The name or the password is wrong.").waitFor(SOON);
  await page.getByLabel("Name").fill("anna");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await state(page, "open");
  assert.deepEqual(errors, []);
});
