// Runs the scripts of the guide's pages, with an EventSource that the tests feed. The scripts are
// taken from the pages, so a page cannot show a script that does not work.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";

const GUIDE = new URL("../../docs/src/", import.meta.url);

/** The script of a page that contains this text. */
async function script(page, text) {
  const blocks = (await readFile(new URL(page, GUIDE), "utf8")).split("```js\n").slice(1);
  const found = blocks.map((block) => block.split("```")[0]).filter((block) => block.includes(text));
  assert.equal(found.length, 1, `one script of ${page} contains ${text}`);
  return found[0];
}

/** Runs a script, and returns the event source that it opens. */
function run(code, names = {}) {
  const opened = [];
  class EventSource {
    onmessage = () => {};
    isClosed = false;
    #listeners = new Map();

    constructor(url) {
      this.url = url;
      opened.push(this);
    }

    addEventListener(name, listener) {
      this.#listeners.set(name, listener);
    }

    close() {
      this.isClosed = true;
    }

    /** Dispatches an event as a browser does: an event with a name does not reach `onmessage`. */
    send(name, data, lastEventId = "") {
      const event = { type: name, data, lastEventId };
      if (name === "message") {
        this.onmessage(event);
      }
      this.#listeners.get(name)?.(event);
    }
  }
  runInContext(code, createContext({ EventSource, ...names }));
  assert.ok(opened.length <= 1);
  return opened[0] ?? new EventSource();
}

test("a list is replaced as a whole, and changed row by row", async () => {
  const tasks = new Map([[9, "old"]]);
  const source = run(await script("lists-and-changes.md", 'addEventListener("list"'), { tasks });
  assert.equal(source.url, "/tasks");
  source.send("list", '{"1":"tea","2":"milk"}');
  assert.deepEqual([...tasks], [[1, "tea"], [2, "milk"]]);
  source.send("changed", '[2,"oat milk"]');
  source.send("changed", '[3,"bread"]');
  assert.deepEqual([...tasks], [[1, "tea"], [2, "oat milk"], [3, "bread"]]);
  source.send("list", '{"3":"bread"}');
  assert.deepEqual([...tasks], [[3, "bread"]]);
});

test("a badge counts each notification once, and takes a count as it is", async () => {
  const badge = { textContent: "2", dataset: { newest: "7", at: "a-1" } };
  const source = run(await script("lists-and-changes.md", "#unread"), {
    document: { querySelector: () => badge },
    location: { pathname: "/users/anna" },
  });
  assert.equal(source.url, "/users/anna/events?lastEventId=a-1");
  const shown = (name, data) => {
    source.send(name, JSON.stringify(data));
    return Number(badge.textContent);
  };
  assert.equal(shown("notification", [7, "counted already"]), 2);
  assert.equal(shown("notification", [8, "new"]), 3);
  assert.equal(shown("notification", [8, "comes again"]), 3);
  assert.equal(shown("unread", { count: 1, newest: 10 }), 1);
  assert.equal(shown("notification", [10, "is in the count"]), 1);
  assert.equal(shown("notification", [11, "new"]), 2);
});

test("a page forgets its values at a gap with a snapshot, and only there", async () => {
  const prices = new Map([["AQUA", 60]]);
  const source = run("globalThis.source = new EventSource('/events');");
  run(await script("keyed-topics.md", "snapshot"), { source, prices, JSON });
  source.send("gap", '{"after":"a-1","through":"a-2"}');
  assert.equal(prices.size, 1);
  source.send("gap", '{"after":"a-1","through":"a-2","snapshot":true}');
  assert.equal(prices.size, 0);
});

test("a page shows a reply, and closes its source when the reply is done", async () => {
  const shown = [];
  const code = await script("replies.md", "/replies/");
  const source = run(code, { token: "t", show: (word) => shown.push(word) });
  assert.equal(source.url, "/replies/t");
  source.send("message", '" be"');
  assert.deepEqual(shown, [" be"]);
  assert.ok(!source.isClosed);
  source.send("done", "");
  assert.ok(source.isClosed);
});

test("an event with a name reaches its listener and no other", async () => {
  const lines = [];
  const console = { log: (...values) => lines.push(values) };
  const source = run(await script("server-sent-events.md", "onmessage"), { console });
  assert.equal(source.url, "/events");
  source.send("message", "Hello, world!", "7");
  source.send("count", "3");
  assert.deepEqual(lines, [["Hello, world!", "7"], [3]]);
});
