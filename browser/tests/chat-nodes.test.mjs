// Tests examples/chat on two nodes behind nginx, as examples/chat/two-nodes starts them, in two
// browsers: one on each node. A node is killed, and nothing is lost or shown twice.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { RETURN, SOON, postTo, say, showsAll, showsLast, state } from "./chat-page.mjs";
import { BROKEN, launch, openPage, screenshot } from "./chromium.mjs";
import { BIN, freePorts, isListening, startProgram } from "./server.mjs";

const SCRIPT = fileURLToPath(new URL("../../examples/chat/two-nodes", import.meta.url));
/** How often a page is loaded until nginx passes its stream to the wanted node. */
const MAX_LOADS = 50;

let browsers;
/** The port of nginx. */
let front;
/** The ports of the nodes. */
let nodes;
let script;
let ann;
let ben;

before(async () => {
  browsers = await Promise.all([launch(), launch()]);
});

after(async () => {
  await Promise.all((browsers ?? []).map((browser) => browser.close()));
});

beforeEach(async () => {
  // Two nodes and Redis have the ports after that of nginx.
  front = await freePorts(4);
  nodes = [front + 1, front + 2];
  script = await startProgram(SCRIPT, front, [String(front)], { CHAT: join(BIN, "chat") });
  await Promise.all(nodes.map(untilReady));
  [ann, ben] = [await enter(0, "Ann"), await enter(1, "Ben")];
});

afterEach(async () => {
  try {
    if (ben) {
      await screenshot(ben.page, "chat-nodes-last");
    }
    await Promise.all([ann, ben].map((one) => one?.page.close()));
  } finally {
    await script?.stop();
    ann = ben = script = undefined;
  }
});

/** Waits until a node has read what Redis holds. */
async function untilReady(port) {
  const deadline = Date.now() + RETURN.timeout;
  for (;;) {
    const response = await fetch(`http://localhost:${port}/ready`).catch(() => undefined);
    if (response?.ok) {
      return;
    }
    assert.ok(Date.now() < deadline, `the node is not ready: ${script.output}`);
  }
}

/** Opens the lounge through nginx, in a browser of its own, until its stream is on this node. */
async function enter(index, name) {
  const { page, errors } = await openPage(browsers[index], BROKEN);
  const one = { page, errors, streams: [] };
  page.on("response", (response) => {
    if (response.url().includes("/events?")) {
      // nginx lists the nodes that it has tried. The last one has responded.
      one.streams.push(Number(response.headers()["x-node"].split(":").at(-1)));
    }
  });
  await page.addInitScript((name) => localStorage.setItem("name", name), name);
  for (let loads = 0; one.streams.at(-1) !== nodes[index]; loads += 1) {
    assert.ok(loads < MAX_LOADS, `never on node ${nodes[index]}: ${one.streams}`);
    if (loads === 0) {
      await page.goto(`http://localhost:${front}/#lounge`);
    } else {
      // nginx takes the nodes in turns, and a page has an even number of requests. One more request
      // moves its stream to the other node.
      await fetch(`http://localhost:${front}/ready`);
      // The address has a hash, so another `goto` would not load the page again.
      await page.reload();
    }
    await state(page, "open");
  }
  one.streams.splice(0, one.streams.length - 1);
  return one;
}

/**
 * Ends a node at once, and waits until it is gone. A request that it had accepted would fail with
 * 502, and its sender would not know whether the message was published. The script has printed the
 * process of the node.
 */
async function kill(port) {
  const line = new RegExp(`localhost:${port} has process (\\d+)`).exec(script.output);
  process.kill(Number(line[1]), "SIGKILL");
  const deadline = Date.now() + RETURN.timeout;
  while (await isListening(port)) {
    assert.ok(Date.now() < deadline, "the node still listens");
  }
}

test("each browser shows what the other one writes on another node", async () => {
  const texts = ["from Ann", "from Ben", "again from Ann", "again from Ben"];
  for (const [index, text] of texts.entries()) {
    await say([ann, ben][index % 2].page, text);
    await Promise.all([ann, ben].map(({ page }) => showsLast(page, text, SOON)));
  }
  for (const { page, errors, streams } of [ann, ben]) {
    assert.equal(await showsAll(page, texts), 0);
    assert.deepEqual(errors, []);
    assert.equal(streams.length, 1, "the stream was never broken");
  }
});

test("a node is killed: its browser goes on at the other node, and shows everything once", async () => {
  const posted = [];
  const post = async (count, when) => {
    for (let number = 0; number < count; number += 1) {
      posted.push(await postTo(front, `${when} ${number}`));
    }
  };
  await post(10, "before");
  await Promise.all([ann, ben].map(({ page }) => showsLast(page, posted.at(-1), SOON)));
  await kill(nodes[1]);
  // nginx passes these to the node that lives, before and after Ben's page has returned.
  await post(30, "between");
  await showsLast(ben.page, posted.at(-1));
  await state(ben.page, "open", RETURN);
  await post(10, "after");
  // Ben's own page also writes through the node that lives.
  await say(ben.page, "from Ben");
  posted.push("from Ben");
  for (const { page, errors } of [ann, ben]) {
    assert.equal(await showsAll(page, posted), 0, "no line that says that messages are missing");
    assert.deepEqual(errors, []);
  }
  assert.deepEqual(ann.streams, [nodes[0]], "the other browser has noticed nothing");
  assert.deepEqual(ben.streams, [nodes[1], nodes[0]], "one return, to the node that lives");
});
