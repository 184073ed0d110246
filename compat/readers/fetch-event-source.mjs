// The npm package @microsoft/fetch-event-source. It runs in Chromium, because it is written for
// pages.

import { BASE, END, readAll } from "./cases.mjs";
import { openPage } from "./page.mjs";

const NAME = "@microsoft/fetch-event-source";

const page = await openPage(BASE);
await page.evaluate(async (path) => {
  globalThis.fetchEventSource = (await import(path)).fetchEventSource;
}, `/modules/${NAME}/lib/esm/index`);

await readAll(NAME, (url) => page.evaluate(read, [url, END]));

/** Runs in the page. */
async function read([url, end]) {
  const events = [];
  let ended = false;
  await fetchEventSource(url, {
    openWhenHidden: true,
    onmessage({ event, data, id }) {
      if (event === end) {
        ended = true;
      } else {
        events.push({ event: event || "message", data, id });
      }
    },
    onerror(error) {
      throw error;
    },
  });
  return ended ? events : { error: "it lost the last event" };
}
