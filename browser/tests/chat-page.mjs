// The page of examples/chat as its tests use it.

import assert from "node:assert/strict";

/** A time limit for things that happen at once, on a busy machine. */
export const SOON = { timeout: 15_000 };
/** A time limit for reconnecting: the farewell asks for a wait of up to a few seconds. */
export const RETURN = { timeout: 40_000 };

/** Waits until the page shows this state of its stream. */
export const state = (page, name, wait = SOON) => page.waitForSelector(`#state[data-state="${name}"]`, wait);

/** Writes a message on the page. */
export async function say(page, text) {
  await page.getByLabel("Message").fill(text);
  await page.keyboard.press("Enter");
}

/** Posts a message to the lounge without a page, and returns it once the server has accepted it. */
export async function postTo(port, text) {
  const response = await fetch(`http://localhost:${port}/rooms/lounge/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ author: "Test", text }),
  });
  assert.equal(response.status, 201);
  return text;
}

/** The texts that a page shows, with `null` for a line that says that messages are missing. */
export const shown = (page) =>
  page.$$eval("#messages > li", (rows) => rows.map((row) => row.querySelector(".text")?.textContent ?? null));

export async function showsLast(page, text, wait = RETURN) {
  const last = (text) => document.querySelector("#messages > li:last-child > .text")?.textContent === text;
  await page.waitForFunction(last, text, wait).catch(async (error) => {
    throw new Error(`not the last: ${text}, of ${JSON.stringify(await shown(page))}`, { cause: error });
  });
}

/**
 * Waits for the last message. Then every message must be there once and in order, or a line where
 * messages are missing.
 */
export async function showsAll(page, posted) {
  await showsLast(page, posted.at(-1));
  const rows = await shown(page);
  let next = 0;
  let mayMiss = false;
  for (const row of rows) {
    if (row === null) {
      mayMiss = true;
      continue;
    }
    const at = posted.indexOf(row, next);
    assert.notEqual(at, -1, `${row} is there twice or out of order: ${JSON.stringify(rows)}`);
    assert.ok(at === next || mayMiss, `silently missing: ${posted.slice(next, at)}`);
    next = at + 1;
    mayMiss = false;
  }
  return rows.filter((row) => row === null).length;
}
