// Tests examples/webtransport in a real browser: sessions over HTTP/3, with a certificate that the
// browser accepts by its hash.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { launch, openPage, screenshot } from "./chromium.mjs";
import { startServer } from "./server.mjs";

const PORT = 7878;
const URL = `http://localhost:${PORT}/`;
const SOON = { timeout: 20_000 };

let browser;
let server;

before(async () => {
  browser = await launch({ quic: true });
  server = await startServer("webtransport", PORT);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test("datagrams and both kinds of streams come back, and both sides see the code of a close", async () => {
  const { page, errors } = await openPage(browser);
  await page.goto(URL);
  await page.waitForSelector('#state[data-state="done"]', SOON);
  const cell = (row) => page.textContent(`#${row} td:nth-child(2)`);
  assert.match(await cell("datagrams"), /^\d+ of 100$/);
  assert.equal(await cell("bidirectional"), "the same bytes");
  assert.equal(await cell("unidirectional"), "over and back");
  await screenshot(page, "webtransport");
  await page.click("#close");
  await page.waitForSelector('#state[data-state="closed"]', SOON);
  await until("the server sees the close", async () => {
    const text = await (await fetch(`${URL}last-end`)).json();
    return text === "closed by the page: 7 bye";
  });
  // A second session of the page, which the server closes.
  const info = await page.evaluate(async () => {
    const { hash } = await (await fetch("server")).json();
    const value = new Uint8Array(hash);
    const session = new WebTransport("https://localhost:7443/close/42", {
      serverCertificateHashes: [{ algorithm: "sha-256", value }],
    });
    await session.ready;
    const { closeCode, reason } = await session.closed;
    return { closeCode, reason };
  });
  assert.deepEqual(info, { closeCode: 42, reason: "as you asked" });
  assert.deepEqual(errors, []);
});

test("streams end with the codes of the application in both directions", async () => {
  const { page } = await openPage(browser);
  await page.goto(URL);
  await page.waitForSelector('#state[data-state="done"]', SOON);
  const text = await page.evaluate(async () => {
    const { url, hash } = await (await fetch("server")).json();
    const value = new Uint8Array(hash);
    const session = new WebTransport(url, {
      serverCertificateHashes: [{ algorithm: "sha-256", value }],
    });
    await session.ready;
    const stream = await session.createBidirectionalStream();
    const writer = stream.writable.getWriter();
    await writer.write(new Uint8Array([1]));
    const reader = stream.readable.getReader();
    await reader.read();
    // The server's half is dropped when it reads the reset, and so it is reset with code 0.
    await writer.abort(new WebTransportError({ message: "enough", streamErrorCode: 9 }));
    const code = await reader.read().then(() => "no error", (error) => error.streamErrorCode);
    session.close();
    return String(code);
  });
  assert.equal(text, "0");
});

async function until(what, isTrue) {
  const end = Date.now() + SOON.timeout;
  while (!(await isTrue())) {
    assert.ok(Date.now() < end, what);
    await pause(50);
  }
}
