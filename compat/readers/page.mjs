// Opens a page of the server in a headless Chromium that can reach only this machine.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));
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

/**
 * Opens the page at `base` in a browser with these further arguments, which ends with this
 * process. `/modules/PATH` on the page is the script PATH.js of an installed package.
 *
 * Playwright answers preflights by itself once a page has a route. With `modules: false` there is
 * none, so the server answers them.
 */
export async function openPage(base, { args = [], modules = true } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...ARGS, ...args] });
  const page = await browser.newPage();
  if (modules) {
    await page.route(`${base}/modules/**`, async (route) => {
      const path = decodeURIComponent(new URL(route.request().url()).pathname).slice("/modules/".length);
      await route.fulfill({ contentType: "text/javascript", body: await readFile(`${MODULES}${path}.js`) });
    });
  }
  await page.goto(base);
  return page;
}
