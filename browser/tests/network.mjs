// A network between a browser and a server that can be lost. A browser that is told to be offline keeps the streams that it has;
// here they break, as they do when a train enters a tunnel.

import { connect, createServer } from "node:net";

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
      one.pipe(two);
    }
  }
}
