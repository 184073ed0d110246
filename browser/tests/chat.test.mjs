// Tests the page of examples/chat in two browsers. Through crashes, restarts, and lost and slow
// networks, each browser shows every message once, or a line where messages are missing.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { RETURN, SOON, postTo, say, shown, showsAll, showsLast, state } from "./chat-page.mjs";
import { BROKEN, launch, openPage, screenshot, throttle } from "./chromium.mjs";
import { startNetwork } from "./network.mjs";
import { BIN, freePort, startProgram, startServer } from "./server.mjs";

/** The same as in the server. */
const HELD = 200;

let browser;
let port;
let server;
/** What Ben comes through. */
let network;
let opened;
let ann;
let ben;

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
  network = await startNetwork(port);
  [ann, ben] = await Promise.all([enter("Ann"), enter("Ben", network.port)]);
});

afterEach(async () => {
  try {
    if (ben) {
      // The pages at the end of the test, for a person to look at after a failure.
      await screenshot(ben, "chat-last");
    }
    await Promise.all(opened.map(({ page }) => page.close()));
  } finally {
    await network?.stop();
    await server?.stop();
    ann = ben = network = server = undefined;
  }
});

const start = () => startServer("chat", port, [`localhost:${port}`]);
const errors = () => opened.flatMap(({ errors }) => errors);

/** Opens the room in a new browser context, under this name. */
async function enter(name, by = port) {
  const one = await openPage(browser, BROKEN);
  opened.push(one);
  await one.page.addInitScript((name) => localStorage.setItem("name", name), name);
  await one.page.goto(`http://localhost:${by}/#lounge`);
  await state(one.page, "open");
  return one.page;
}

/** Posts messages without a page. */
async function postMany(count, name, filler = "") {
  const posted = [];
  while (posted.length < count) {
    posted.push(await postTo(port, `${name} ${posted.length}${filler}`));
  }
  return posted;
}

/** Waits for an action of the tests, which no page shows. */
async function until(condition) {
  const deadline = Date.now() + RETURN.timeout;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `still not: ${condition}`);
    await pause(25);
  }
}

async function showsHere(page, people, wait = SOON) {
  const here = (people) =>
    JSON.stringify([...document.querySelectorAll("#here li")].map((row) => row.textContent)) === people;
  await page.waitForFunction(here, JSON.stringify(people), wait).catch(async () => {
    assert.deepEqual(await page.$$eval("#here li", (rows) => rows.map((row) => row.textContent)), people);
  });
}

test("both pages show a message, and show it as text even if it is HTML", async () => {
  const texts = ["hello", "<b>not bold</b>", "<img src=x onerror=alert(1)>", "naïve 🙂"];
  for (const [index, text] of texts.entries()) {
    await say(index % 2 ? ann : ben, text);
    await Promise.all([ann, ben].map((page) => showsLast(page, text, SOON)));
  }
  for (const page of [ann, ben]) {
    assert.equal(await showsAll(page, texts), 0);
    assert.equal(await page.locator("#messages :is(img, .text b)").count(), 0);
  }
  await screenshot(ann, "chat");
  assert.deepEqual(errors(), []);
});

test("a newcomer reads earlier messages, and rooms are separate", async () => {
  const posted = await postMany(5, "before");
  const cem = await enter("Cem");
  assert.equal(await showsAll(cem, posted), 0);
  await cem.getByRole("link", { name: "kitchen" }).click();
  await cem.waitForFunction(() => document.querySelector("#heading").textContent === "# kitchen", null, SOON);
  await state(cem, "open");
  await say(cem, "in the kitchen");
  await showsLast(cem, "in the kitchen", SOON);
  assert.deepEqual(await shown(cem), ["in the kitchen"]);
  assert.equal(await showsAll(ann, posted), 0);
  assert.deepEqual(errors(), []);
});

test("a page shows the people in the room", async () => {
  await Promise.all([ann, ben].map((page) => showsHere(page, ["Ann", "Ben"])));
  const cem = await enter("Cem");
  await Promise.all([ann, ben, cem].map((page) => showsHere(page, ["Ann", "Ben", "Cem"])));
  await cem.close();
  await showsHere(ann, ["Ann", "Ben"]);
  await ben.getByLabel("Your name").fill("Bea");
  await ben.keyboard.press("Enter");
  await Promise.all([ann, ben].map((page) => showsHere(page, ["Ann", "Bea"])));
  assert.deepEqual(errors(), []);
});

test("a message that is refused is explained, and stays in the input", async () => {
  await say(ann, "   ");
  await ann.getByRole("alert").filter({ hasText: "1 to 2000 characters" }).waitFor(SOON);
  await say(ann, "better");
  await showsLast(ben, "better", SOON);
  assert.equal(await ann.getByRole("alert").textContent(), "");
  // The browser itself logs each response with an error status.
  assert.deepEqual(errors().filter((error) => !error.includes("422")), []);
});

test("a browser that was offline for a while gets what it missed", async () => {
  const posted = await postMany(3, "online");
  await showsLast(ben, posted.at(-1));
  network.lose();
  await state(ben, "waiting");
  posted.push(...(await postMany(50, "offline")));
  await showsLast(ann, posted.at(-1));
  network.find();
  assert.equal(await showsAll(ben, posted), 0, "the log holds all that");
  assert.equal(await showsAll(ann, posted), 0);
  assert.deepEqual(errors(), []);
});

test("a browser that has read no message is told of the gap, too", async () => {
  network.lose();
  await state(ben, "waiting");
  const posted = await postMany(HELD + 20, "offline");
  network.find();
  await showsLast(ben, posted.at(-1));
  const rows = await shown(ben);
  assert.deepEqual(rows, [null, ...posted.slice(-HELD)], "it was here before the first, so it is no newcomer");
  assert.deepEqual(errors(), []);
});

test("a browser that was offline for too long is told of the gap", async () => {
  const posted = await postMany(3, "online");
  await showsLast(ben, posted.at(-1));
  network.lose();
  await state(ben, "waiting");
  posted.push(...(await postMany(HELD + 20, "offline")));
  network.find();
  assert.equal(await showsAll(ben, posted), 1);
  assert.equal((await shown(ben)).length, 3 + 1 + HELD, "what it had, the line, what is held");
  assert.equal(await showsAll(ann, posted), 0);
  await ben.locator(".gap").filter({ hasText: "Some messages were missed" }).waitFor(SOON);
  await ben.locator(".gap").scrollIntoViewIfNeeded();
  await screenshot(ben, "chat-gap");
  assert.deepEqual(errors(), []);
});

for (const [how, end] of [
  ["stopped", async () => assert.equal(await server.stop(), 0, "SIGTERM with open streams ends it with code 0")],
  ["killed", () => server.kill()],
]) {
  test(`a server that is ${how} and starts again: every message comes once, or the line`, async () => {
    const posted = await postMany(20, "before");
    await end();
    await state(ann, "waiting");
    server = await start();
    posted.push(...(await postMany(20, "between")));
    await Promise.all([ann, ben].map((page) => state(page, "open", RETURN)));
    posted.push(...(await postMany(20, "after")));
    for (const page of [ann, ben]) {
      assert.equal(await showsAll(page, posted), 1, "the log begins anew, and the page says so");
      await showsHere(page, ["Ann", "Ben"]);
    }
    assert.deepEqual(errors(), []);
  });
}

for (const [how, end] of [
  ["stopped", () => server.stop()],
  ["killed", () => server.kill()],
]) {
  test(`with a log on the disk, a server that is ${how} and starts again is not noticed`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "chat-"));
    const startWithLog = () => startProgram(join(BIN, "chat"), port, ["--log", `localhost:${port}`], {}, folder);
    try {
      await server.stop();
      server = await startWithLog();
      const cem = await enter("Cem");
      const posted = await postMany(20, "before");
      await showsLast(cem, posted.at(-1));
      await end();
      await state(cem, "waiting");
      server = await startWithLog();
      posted.push(...(await postMany(20, "between")));
      await state(cem, "open", RETURN);
      posted.push(...(await postMany(20, "after")));
      assert.equal(await showsAll(cem, posted), 0);
      const newcomer = await enter("Dora");
      assert.equal(await showsAll(newcomer, posted), 0, "it gets the messages from before the restart, too");
      assert.deepEqual(errors(), []);
    } finally {
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });
}

test("through a network that cuts, stalls and passes on single bytes, every message comes once", async () => {
  const posted = await postMany(3, "before");
  await showsLast(ben, posted.at(-1));
  // The cuts are at any place: within a message, or in the bytes around it.
  network.worsen([1, 333, 1_000]);
  for (let left = network.cutsLeft; left > 0; left = network.cutsLeft) {
    // There are so many messages that a stream with all of them does not end before its cut.
    posted.push(...(await postMany(5, `${left} cuts left`, ` ${"x".repeat(400)}`)));
    await until(() => network.cutsLeft < left);
  }
  posted.push(...(await postMany(5, "after")));
  assert.equal(await showsAll(ben, posted), 0, "the log holds all that");
  assert.equal(await showsAll(ann, posted), 0);
  assert.deepEqual(errors(), []);
});

test("all at once: one offline, one throttled, the server killed and started again", async () => {
  const filler = ` ${"x".repeat(150)}`;
  await throttle(ann, 8_000);
  network.lose();
  const posted = await postMany(60, "first", filler);
  await server.kill();
  server = await start();
  posted.push(...(await postMany(60, "second", filler)));
  network.find();
  await Promise.all([ann, ben].map((page) => state(page, "open", RETURN)));
  posted.push(...(await postMany(60, "third", filler)));
  for (const page of [ann, ben]) {
    await showsAll(page, posted);
  }
  assert.deepEqual(errors(), []);
});
