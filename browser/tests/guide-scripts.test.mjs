// Runs the scripts of pages of the guide as they are written there, without a browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/** The script of a page that contains a text. */
async function scriptOf(page, text) {
  const markdown = await readFile(new URL(`../../docs/src/${page}.md`, import.meta.url), "utf8");
  const scripts = markdown.split("```js\n").slice(1).map((rest) => rest.split("```")[0]);
  const [script, ...others] = scripts.filter((script) => script.includes(text));
  assert.ok(script && others.length === 0, `one script of ${page} has ${text}`);
  return script;
}

test("surviving-a-restart: the page keeps its list for 10 seconds after a return", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const source = new EventTarget();
  let shown;
  const render = (names) => (shown = [...names].sort().join(" "));
  const script = await scriptOf("surviving-a-restart", "settled");
  new Function("source", "render", script)(source, render);
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
  const script = await scriptOf("resume", "lastEventId");
  const open = new Function("EventSource", `${script}; return open;`)(Source);
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
