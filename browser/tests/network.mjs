// A network between a browser and a server that can be lost or bad. A bad network cuts connections,
// stalls, and passes on single bytes. A browser that is told to be offline keeps its open streams,
// but this network breaks them, as happens when a train enters a tunnel.

import { connect, createServer } from "node:net";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";

/** A longer response is taken for a stream, because all other responses are short. */
const STREAM_BYTES = 400;
/** The length of a stall, which is long enough for more messages to pile up behind it. */
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
  /**
   * The numbers of bytes from the server after which the next connections are cut, in order.
   * `undefined` while the network is good.
   */
  #cuts;
  #server = createServer((socket) => this.#accept(socket));

  constructor(target) {
    this.#target = target;
  }

  async listen() {
    await new Promise((resolve, reject) => this.#server.once("error", reject).listen(0, "localhost", resolve));
  }

  /** The port to which the browser connects. */
  get port() {
    return this.#server.address().port;
  }

  /** Breaks all open connections, and each new one until `find` is called. */
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
   * Makes the network bad: the server's bytes come one by one, with a stall, and the next
   * connections are cut after these numbers of bytes. Open connections break.
   */
  worsen(cuts) {
    this.#cuts = [...cuts];
    this.lose();
    this.find();
  }

  /** The number of cuts that have not happened yet. */
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
      // If either side ends or fails, both end.
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
        // Only a stream has this many bytes, so the cut is taken here, and short responses take
        // none.
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
