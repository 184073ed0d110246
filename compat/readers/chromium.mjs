// Chromium's EventSource.

import { BASE, END, readAll, readWithEventSource } from "./cases.mjs";
import { openPage } from "./page.mjs";

const page = await openPage(BASE);
await page.evaluate(`globalThis.readWithEventSource = ${readWithEventSource}`);
await readAll("", (url, item) =>
  page.evaluate(([url, item, end]) => readWithEventSource(new EventSource(url), item, end), [url, item, END]),
);
