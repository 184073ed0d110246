// Tests the page of examples/upload in a real browser: progress, cancel, and a download that
// pauses. Chromium's video element seeks by ranges in a file of the same server.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { launch, openPage, screenshot } from "./chromium.mjs";
import { startServer } from "./server.mjs";

const PORT = 7878;
const URL = `http://localhost:${PORT}/`;
/** A time limit for things that happen at once, on a busy machine. */
const SOON = { timeout: 20_000 };
/** Slow enough that a test can interrupt the transfer. */
const SLOW = 300_000;

let browser;
let server;
let folder;
let page;
let errors;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "volga-upload-"));
  server = await startServer("upload", PORT, [folder]);
  ({ page, errors } = await openPage(browser));
  await page.goto(URL);
});

afterEach(async () => {
  try {
    if (page) {
      await screenshot(page, "upload-last");
    }
    await page?.close();
  } finally {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
    page = server = undefined;
  }
});

/** Bytes of which any two ranges differ. */
function bytes(count) {
  const all = Buffer.alloc(count);
  for (let at = 0; at + 4 <= count; at += 4) {
    all.writeUInt32LE(at, at);
  }
  return all;
}

const choose = (...files) =>
  page.getByLabel("Choose files").setInputFiles(
    files.map(([name, buffer]) => ({ name, mimeType: "application/octet-stream", buffer })),
  );
const click = (name) => page.getByRole("button", { name, exact: true }).click();
const names = () => page.$$eval("#files .name", (links) => links.map((link) => link.textContent));

async function network(up, down) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    uploadThroughput: up,
    downloadThroughput: down,
  });
}

async function waitForNames(expect) {
  const shown = `JSON.stringify([...document.querySelectorAll("#files .name")].map((link) => link.textContent))`;
  await page.waitForFunction(`${shown} === ${JSON.stringify(JSON.stringify(expect))}`, null, SOON);
}

test("files are uploaded with any name, listed, and served back", async () => {
  const content = bytes(200_000);
  await choose(["plain.bin", content], ["Übung \"1\" & <b>.txt", Buffer.from("text")]);
  await click("Upload");
  // Chromium sends a quotation mark as %22, as the HTML standard says.
  await waitForNames(["plain.bin", "Übung %221%22 & _b_.txt"]);
  assert.deepEqual(await readFile(join(folder, "plain.bin")), content);
  const [download] = await Promise.all([page.waitForEvent("download", SOON), page.click("a.name >> nth=1")]);
  assert.equal(download.suggestedFilename(), "Übung %221%22 & _b_.txt");
  assert.equal(await readFile(await download.path(), "utf8"), "text");
  await screenshot(page, "upload");
  await page.getByRole("button", { name: "Delete" }).first().click();
  await waitForNames(["Übung %221%22 & _b_.txt"]);
  assert.deepEqual(errors, []);
});

test("an upload shows its progress, and a cancelled one leaves nothing", async () => {
  await network(SLOW, -1);
  await choose(["large.bin", bytes(1_500_000)]);
  await click("Upload");
  await page.waitForFunction(() => document.querySelector("#progress").value > 0.1, null, SOON);
  await click("Cancel");
  await page.getByRole("status").filter({ hasText: "Cancelled." }).waitFor(SOON);
  // The server deletes the temporary file as soon as it notices.
  while ((await readdir(folder)).length > 0) {
    await pause(25);
  }
  assert.deepEqual(await names(), []);
  await network(-1, -1);
  await click("Upload");
  await waitForNames(["large.bin"]);
  assert.deepEqual(errors, []);
});

test("a download resumes where it paused", async () => {
  const content = bytes(1_000_000);
  await writeFile(join(folder, "large.bin"), content);
  await page.reload();
  await waitForNames(["large.bin"]);
  const statuses = [];
  page.on("response", (response) => response.url().endsWith("large.bin") && statuses.push(response.status()));
  await network(-1, SLOW);
  await click("Download");
  await page.waitForFunction(() => document.querySelector("li progress").value > 0.1, null, SOON);
  await click("Pause");
  await page.getByRole("button", { name: "Resume" }).waitFor(SOON);
  await network(-1, -1);
  const [download] = await Promise.all([page.waitForEvent("download", SOON), click("Resume")]);
  assert.deepEqual(await readFile(await download.path()), content);
  assert.deepEqual(statuses, [200, 206]);
  assert.deepEqual(errors, []);
});

test("the form works without scripts", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const plain = await context.newPage();
  await plain.goto(URL);
  await plain.getByLabel("Choose files").setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  await plain.getByRole("button", { name: "Upload", exact: true }).click();
  await plain.waitForURL(`${URL}files`, SOON);
  assert.equal(await readFile(join(folder, "a.txt"), "utf8"), "a");
  await context.close();
});

test("a video element seeks with ranges", async () => {
  // Chromium records a short video, and the server stores it.
  await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
    const pieces = [];
    recorder.ondataavailable = (event) => pieces.push(event.data);
    const stopped = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let frame = 0; frame < 40; frame++) {
      context.fillStyle = `hsl(${frame * 9} 90% 50%)`;
      context.fillRect(0, 0, 64, 64);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    recorder.stop();
    await stopped;
    await fetch("files/film.webm", { method: "PUT", body: new Blob(pieces) });
  });
  const responses = [];
  page.on("response", (response) => response.url().endsWith("film.webm") && responses.push(response));
  const time = await page.evaluate(async () => {
    const video = document.createElement("video");
    video.muted = true;
    video.src = "files/film.webm";
    await new Promise((resolve, reject) => {
      video.onloadedmetadata = resolve;
      video.onerror = () => reject(new Error(video.error.message));
    });
    const seeked = new Promise((resolve) => (video.onseeked = resolve));
    video.currentTime = 1;
    await seeked;
    return video.currentTime;
  });
  assert.equal(time, 1);
  assert.equal(responses[0].status(), 206);
  assert.equal(await responses[0].request().headerValue("range"), "bytes=0-");
  assert.deepEqual(errors, []);
});
