// What the readers in JavaScript share: which cases there are, and how what was received is told.

import { readFile } from "node:fs/promises";

/** The event that ends each stream. */
export const END = "end-of-case";
const PATIENCE_MS = 10_000;

export const BASE = process.argv[2];

/** Has `read(url, case)` read each case and prints what came of it. `read` returns the events, without the end. */
export async function readAll(packageName, read) {
  const cases = {};
  for (const item of await (await fetch(`${BASE}/cases`)).json()) {
    cases[item.name] = await Promise.race([read(BASE + item.path, item), late()]).catch((error) => ({
      error: String(error),
    }));
  }
  const said = JSON.stringify({ version: await version(packageName), cases });
  // Not before all is written; and a client that was given up on, or a browser, may still hold its connection.
  process.stdout.write(said, () => process.exit(0));
}

/** The version of an installed package, empty without a name. */
export async function version(packageName) {
  if (!packageName) {
    return "";
  }
  const manifest = new URL(`../node_modules/${packageName}/package.json`, import.meta.url);
  return JSON.parse(await readFile(manifest, "utf8")).version;
}

/** Reads with something that has EventSource's interface. Runs in Chromium too, so it uses nothing from outside. */
export function readWithEventSource(source, item, end) {
  return new Promise((resolve) => {
    const events = [];
    const add = (event) => events.push({ event: event.type, data: event.data, id: event.lastEventId });
    for (const name of new Set(["message", ...item.events])) {
      source.addEventListener(name, add);
    }
    source.addEventListener(end, () => {
      source.close();
      resolve(events);
    });
    source.onerror = () => {
      source.close();
      resolve({ error: `an error after ${events.length} events` });
    };
  });
}

function late() {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no end within ${PATIENCE_MS} ms`)), PATIENCE_MS).unref();
  });
}
