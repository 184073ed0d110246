// Starts a fresh headless Chromium that can reach only localhost. playwright-core drives it, and
// downloads no browser.

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];
const OUT = process.env.VOLGA_OUT_DIR ?? fileURLToPath(new URL("../../target/browser", import.meta.url));

/** Launches the browser with a new profile, which is deleted when the browser closes. */
export async function launch({ quic = false } = {}) {
  const args = quic ? ARGS.filter((arg) => arg !== "--disable-quic") : ARGS;
  return chromium.launch({ executablePath: findChromium(), args });
}

/** The error of a connection to a stopped server. */
const REFUSED = ["ERR_CONNECTION_REFUSED"];
/** The errors of connections to a stopped or killed server, or through a lost network. */
export const BROKEN = [
  ...REFUSED,
  "ERR_CONNECTION_RESET",
  "ERR_EMPTY_RESPONSE",
  "ERR_INCOMPLETE_CHUNKED_ENCODING",
  "ERR_INTERNET_DISCONNECTED",
  "ERR_NETWORK_CHANGED",
  "ERR_SOCKET_NOT_CONNECTED",
];

/**
 * Opens an empty page in a browser context of its own, and collects its errors: uncaught ones, and
 * those on the console, except the expected ones.
 */
export async function openPage(browser, expected = REFUSED) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.some((text) => message.text().includes(text))) {
      errors.push(`console: ${message.text()} (${message.location().url})`);
    }
  });
  return { page, errors };
}

/** Limits the bytes per second that a page receives. */
export async function throttle(page, bytesPerSecond) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 100,
    downloadThroughput: bytesPerSecond,
    uploadThroughput: -1,
  });
}

/** Saves a screenshot of the page for people: target/browser/NAME.png. */
export async function screenshot(page, name) {
  await mkdir(OUT, { recursive: true });
  await page.screenshot({ path: join(OUT, `${name}.png`), fullPage: true });
}

function findChromium() {
  if (process.env.CHROMIUM) {
    return process.env.CHROMIUM;
  }
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  if (!found) {
    throw new Error(`none of ${NAMES.join(", ")} is on PATH: install one, or set CHROMIUM to the program`);
  }
  return found;
}
