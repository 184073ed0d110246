// A network between a browser and a server that can be lost, and that can be bad: it cuts, stalls, and passes on single bytes. A browser that is told to be offline keeps the streams that it has;
// here they break, as they do when a train enters a tunnel.

import { connect, createServer } from "node:net";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";

/** What is longer than this is taken for a stream: the other answers are short. */
const STREAM_BYTES = 400;
/** How long a stall is: long enough for more messages to pile up behind it. */
const STALL_MS = 300;

/** Starts a network that leads to a port of this machine. */
export async function startNetwork(target) {
  const network = new Network(target);
  await network.listen();
  return network;
}

class Network {
  #target;
  #sockets = new Set();
  #isLost = false;
  /** After how many bytes from the server each further connection is cut, in their order; `undefined` while the network is a good one. */
  #cuts;
  #server = createServer((socket) => this.#accept(socket));

  constructor(target) {
    this.#target = target;
  }

  async listen() {
    await new Promise((resolve, reject) => this.#server.once("error", reject).listen(0, "localhost", resolve));
  }

  /** Where the browser connects. */
  get port() {
    return this.#server.address().port;
  }

  /** Breaks what is open, and whatever comes until it is found again. */
  lose() {
    this.#isLost = true;
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  find() {
    this.#isLost = false;
  }

  /**
   * From now on what the server sends comes byte by byte, with a stall in it, and the next connections are cut after so many bytes. What is open breaks.
   */
  worsen(cuts) {
    this.#cuts = [...cuts];
    this.lose();
    this.find();
  }

  /** How many of the cuts are still to come. */
  get cutsLeft() {
    return this.#cuts.length;
  }

  async stop() {
    this.lose();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket) {
    if (this.#isLost) {
      socket.destroy();
      return;
    }
    const other = connect({ host: "localhost", port: this.#target });
    for (const [one, two] of [[socket, other], [other, socket]]) {
      this.#sockets.add(one);
      // An end or a failure of either is the end of both.
      one.on("error", () => two.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        two.destroy();
      });
    }
    socket.pipe(other);
    if (this.#cuts === undefined) {
      other.pipe(socket);
    } else {
      this.#passBadly(other, socket).catch(() => socket.destroy());
    }
  }

  async #passBadly(from, to) {
    to.setNoDelay(true);
    let passed = 0;
    let cut;
    for await (const chunk of from) {
      for (const byte of chunk) {
        // Only a stream gets so far, so it takes a cut when it does, and short answers take none.
        if (++passed === STREAM_BYTES) {
          cut = this.#cuts.shift();
          await pause(STALL_MS);
        }
        if (passed - STREAM_BYTES > cut) {
          to.destroy();
          return;
        }
        to.write(Uint8Array.of(byte));
        await turn();
      }
    }
    to.end();
  }
}
