// Talks to an echo with npm's ws, and with the WebSocket of node itself.

import { readFileSync } from "node:fs";
import { WebSocket as Ws } from "ws";

const url = process.argv[2];

/** Opens a socket, runs a case, and waits for the close. */
function talk(Socket, path, run) {
  return new Promise((resolve, reject) => {
    const socket = new Socket(url + path);
    socket.binaryType = "arraybuffer";
    const timer = setTimeout(() => reject(new Error("nothing happens")), 20_000);
    socket.onerror = (event) => reject(new Error(event.message ?? "an error"));
    socket.onclose = (event) => {
      clearTimeout(timer);
      resolve(event);
    };
    run(socket);
  });
}

async function echo(Socket, message) {
  let received;
  await talk(Socket, "", (socket) => {
    socket.onopen = () => socket.send(message);
    socket.onmessage = (event) => {
      received = event.data;
      socket.close(1000);
    };
  });
  const same = typeof message === "string"
    ? received === message
    : Buffer.compare(Buffer.from(received), Buffer.from(message)) === 0;
  if (!same) throw new Error("another message came back");
}

async function close(Socket) {
  const event = await talk(Socket, "", (socket) => {
    socket.onopen = () => socket.close(4001, "bye");
  });
  if (event.code !== 4001 || event.reason !== "bye" || !event.wasClean) {
    throw new Error(`closed with ${event.code} ${event.reason}`);
  }
}

async function tooLarge(Socket) {
  const event = await talk(Socket, "small", (socket) => {
    socket.onopen = () => socket.send("x".repeat(2000));
  });
  if (event.code !== 1009) throw new Error(`closed with ${event.code}`);
}

const cases = {};
for (const [name, Socket] of [["ws", Ws], ["node", globalThis.WebSocket]]) {
  const runs = {
    text: () => echo(Socket, "häl\u2028lo"),
    bytes: () => echo(Socket, new Uint8Array(256).map((_, at) => at)),
    "5 MB": () => echo(Socket, new Uint8Array(5_000_000)),
    close: () => close(Socket),
    "too large": () => tooLarge(Socket),
  };
  for (const [run, test] of Object.entries(runs)) {
    try {
      await test();
      cases[`${name}: ${run}`] = "ok";
    } catch (error) {
      cases[`${name}: ${run}`] = { error: String(error) };
    }
  }
}
const { version } = JSON.parse(readFileSync("../node_modules/ws/package.json"));
console.log(JSON.stringify({ version, cases }));
