// Talks to an echo with the WebSocket of Chromium: ws_chromium.mjs URL PROTOCOL [KEY-HASH]
//
// PROTOCOL is how the server must see the handshakes: "HTTP/1.1 GET", or "HTTP/2.0 CONNECT" over TLS.
// Chromium trusts a certificate with a key of this hash.

import { openPage } from "./page.mjs";

const [url, protocol, keyHash] = process.argv.slice(2);
const args = keyHash ? [`--ignore-certificate-errors-spki-list=${keyHash}`] : [];
const page = await openPage(url.replace(/^ws/, "http") + "page", { args });
const cases = await page.evaluate(
  async ([url, protocol]) => {
    /** Opens a socket, runs a case, and waits for the close. */
    const talk = (path, run) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(new URL(path, url));
        socket.binaryType = "arraybuffer";
        setTimeout(() => reject(new Error("nothing happens")), 20_000);
        socket.onclose = resolve;
        run(socket);
      });
    const same = (one, other) =>
      typeof one === "string" ? one === other : one.length === other.byteLength && new Uint8Array(other).every((byte, at) => byte === one[at]);
    const echo = async (message) => {
      let received;
      await talk("", (socket) => {
        socket.onopen = () => socket.send(message);
        socket.onmessage = ({ data }) => {
          received = data;
          socket.close(1000);
        };
      });
      if (!same(message, received)) throw new Error("another message came back");
    };
    const closed = (event, code, reason) => {
      if (event.code !== code || event.reason !== reason || event.wasClean !== (code !== 1006)) {
        throw new Error(`closed with ${event.code} ${event.reason}`);
      }
    };
    const close = async (code, reason) => {
      const event = await talk("", (socket) => (socket.onopen = () => socket.close(code, reason)));
      closed(event, code, reason ?? "");
    };
    const runs = {
      protocol: async () => {
        let seen;
        await talk("protocol", (socket) => (socket.onmessage = ({ data }) => (seen = data)));
        if (seen !== protocol) throw new Error(`the server saw ${seen}`);
      },
      text: () => echo("häl\u2028lo"),
      bytes: () => echo(new Uint8Array(256).map((_, at) => at)),
      "5 MB": () => echo(new Uint8Array(5_000_000).map((_, at) => at)),
      "close with 1000": () => close(1000),
      "close with 3000": () => close(3000, ""),
      "close with 4999": () => close(4999, "é".repeat(61)),
      "closed by the server": async () => closed(await talk("leave/4002/see%20you", () => {}), 4002, "see you"),
      "closed by the end": async () => closed(await talk("protocol", () => {}), 1000, ""),
      "too large": async () => {
        const event = await talk("small", (socket) => (socket.onopen = () => socket.send("x".repeat(2000))));
        if (event.code !== 1009) throw new Error(`closed with ${event.code}`);
      },
      "another origin": async () => {
        // The same server by another name.
        const names = ["localhost", "127.0.0.1"];
        const other = new URL(url);
        other.hostname = names.find((name) => name !== other.hostname);
        closed(await talk(other, () => {}), 1006, "");
      },
    };
    const cases = {};
    for (const [name, run] of Object.entries(runs)) {
      try {
        await run();
        cases[name] = "ok";
      } catch (error) {
        cases[name] = { error: String(error) };
      }
    }
    return cases;
  },
  [url, protocol],
);
console.log(JSON.stringify({ version: page.context().browser().version(), cases }));
process.exit(0);
