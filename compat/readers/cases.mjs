// The parts that the readers in JavaScript share: they fetch the list of cases, and print the
// results.

import { readFile } from "node:fs/promises";

/** The event that ends each stream. */
export const END = "end-of-case";
const PATIENCE_MS = 10_000;

export const BASE = process.argv[2];

/**
 * Lets `read(url, case)` read each case, and prints the results. `read` returns the events without
 * the last one.
 */
export async function readAll(packageName, read) {
  const cases = {};
  for (const item of await (await fetch(`${BASE}/cases`)).json()) {
    cases[item.name] = await Promise.race([read(BASE + item.path, item), late()]).catch((error) => ({
      error: String(error),
    }));
  }
  const output = JSON.stringify({ version: await version(packageName), cases });
  // The process exits once everything is written. It does not wait for clients that were given up,
  // or for a browser, which may still have open connections.
  process.stdout.write(output, () => process.exit(0));
}

/** The version of an installed package, or an empty string without a name. */
export async function version(packageName) {
  if (!packageName) {
    return "";
  }
  const manifest = new URL(`../node_modules/${packageName}/package.json`, import.meta.url);
  return JSON.parse(await readFile(manifest, "utf8")).version;
}

/**
 * Reads with a client that has the interface of EventSource. This function also runs in Chromium,
 * so it uses nothing from outside.
 */
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
