// Runs an example as a process. Each test starts its own, and ends it by its process ID.

import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The folder of the examples' programs. */
export const BIN = process.env.VOLGA_BIN_DIR ?? fileURLToPath(new URL("../../target/debug", import.meta.url));
const START_MS = 15_000;
const STOP_MS = 15_000;
const RETRY_MS = 25;

/** Returns a port on which nothing listens, for an example that takes one. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "localhost", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Returns the first of several ports in a row on which nothing listens. The system gives other
 * ports to clients, so no connection takes one of these before a server does.
 */
export async function freePorts(count) {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const taken = await Promise.all(ports.map(isListening));
    if (!taken.includes(true)) {
      return first;
    }
  }
}

/** Starts an example and waits until it listens. */
export async function startServer(name, port, args = []) {
  return startProgram(join(BIN, name), port, args);
}

/** Starts any program, with more environment variables, in a folder, and waits until it listens. */
export async function startProgram(path, port, args = [], env = {}, cwd = undefined) {
  const name = basename(path);
  if (await isListening(port)) {
    throw new Error(`port ${port} is in use already: end what listens there (\`ss -ltnp\` shows it)`);
  }
  const child = spawn(path, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  let output = "";
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (output += text));
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(`could not start: ${error.message}`));
    child.once("exit", (code, signal) => resolve(signal ?? code));
  });

  let end;
  ended.then((how) => (end = how));
  const deadline = Date.now() + START_MS;
  while (!(await isListening(port))) {
    if (end !== undefined || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${name} does not listen on port ${port} (${end ?? "still starting"}):\n${output}`);
    }
    await pause(RETRY_MS);
  }
  return new Server(name, child, ended, () => output);
}

class Server {
  #name;
  #child;
  #ended;
  #output;

  constructor(name, child, ended, output) {
    this.#name = name;
    this.#child = child;
    this.#ended = ended;
    this.#output = output;
  }

  /** The text that the process has written so far. */
  get output() {
    return this.#output();
  }

  /** Sends SIGTERM and returns the exit code. Kills a process that does not end, and throws. */
  async stop() {
    this.#child.kill("SIGTERM");
    const timer = new AbortController();
    const late = pause(STOP_MS, "late", { signal: timer.signal }).catch(() => "late");
    const end = await Promise.race([this.#ended, late]);
    timer.abort();
    if (end === "late") {
      this.#child.kill("SIGKILL");
      throw new Error(`${this.#name} had not ended ${STOP_MS} ms after SIGTERM`);
    }
    return end;
  }

  /** Kills the process with SIGKILL, which its clients see as a crash. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Whether the port accepts connections, on either of the addresses that a browser uses. */
export async function isListening(port) {
  const accepted = await Promise.all(["127.0.0.1", "::1"].map((host) => accepts(host, port)));
  return accepted.includes(true);
}

function accepts(host, port) {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => socket.destroy() && resolve(true));
    socket.once("error", () => resolve(false));
  });
}
