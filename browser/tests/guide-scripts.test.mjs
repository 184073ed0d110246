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

test("surviving-a-restart: the page keeps its list for 10 seconds after a return", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const source = new EventTarget();
  let shown;
  const render = (names) => (shown = [...names].sort().join(" "));
  const code = await script("surviving-a-restart.md", "settled");
  new Function("source", "render", code)(source, render);
  const tell = (type, data) =>
    source.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));

  tell("here", ["anna", "ben"]);
  assert.equal(shown, "anna ben", "the first list is shown at once");
  tell("joined", "cem");
  assert.equal(shown, "anna ben cem");
  tell("left", "ben");
  assert.equal(shown, "anna cem");
  // The server has restarted, and this page is the first that returns.
  tell("here", ["anna"]);
  t.mock.timers.tick(6_000);
  assert.equal(shown, "anna cem");
  // It restarts once more.
  tell("here", ["anna"]);
  t.mock.timers.tick(9_999);
  tell("joined", "dora");
  tell("joined", "emil");
  tell("left", "emil");
  assert.equal(shown, "anna cem");
  t.mock.timers.tick(1);
  assert.equal(shown, "anna dora", "cem has not returned");
  tell("left", "dora");
  assert.equal(shown, "anna");
});

test("resume: a page that opens a new EventSource sends the last ID that it has seen", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sources = [];
  class Source extends EventTarget {
    static CLOSED = 2;
    constructor(url) {
      super();
      this.url = url;
      this.readyState = 1;
      sources.push(this);
    }
  }
  const code = await script("resume.md", "lastEventId");
  const open = new Function("EventSource", `${code}; return open;`)(Source);
  open();
  const receive = (type, lastEventId) =>
    sources.at(-1).dispatchEvent(new MessageEvent(type, { lastEventId }));
  const fail = (readyState) => {
    sources.at(-1).readyState = readyState;
    sources.at(-1).onerror();
  };
  const urls = () => sources.map(({ url }) => url);
  assert.deepEqual(urls(), ["/news"], "a new page has no ID");
  // The browser reconnects by itself.
  fail(0);
  t.mock.timers.tick(60_000);
  assert.equal(sources.length, 1);
  for (const [type, id, query] of [
    ["hello", "1a-0", "1a-0"],
    ["message", "1a-7", "1a-7"],
    ["message", "any & id=?", "any%20%26%20id%3D%3F"],
  ]) {
    receive(type, id);
    const before = sources.length;
    fail(Source.CLOSED);
    t.mock.timers.tick(999);
    assert.equal(sources.length, before, "not at once");
    t.mock.timers.tick(4_001);
    assert.equal(sources.length, before + 1);
    assert.equal(urls().at(-1), `/news?lastEventId=${query}`);
  }
});
