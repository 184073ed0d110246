// A fresh headless Chromium whose whole world is localhost. playwright-core drives it and downloads none.

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

/** Launches the browser with a profile of its own, which is gone when it closes. */
export async function launch() {
  return chromium.launch({ executablePath: findChromium(), args: ARGS });
}

/**
 * Opens an empty page and collects what goes wrong in it: uncaught errors and errors on the console, except refused
 * connections, which are what a stopped server looks like.
 */
export async function openPage(browser) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("ERR_CONNECTION_REFUSED")) {
      errors.push(`console: ${message.text()} (${message.location().url})`);
    }
  });
  return { page, errors };
}

/** Keeps what the page looks like, for people: target/browser/NAME.png. */
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
