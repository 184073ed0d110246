// Opens a page and event streams over HTTP/3 in Chromium: chromium.mjs URL KEY-HASH
// Prints the checks that have passed.

import { chromium } from "playwright-core";

const [base, pin] = process.argv.slice(2);
const STREAMS = 20;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // The first connection already uses QUIC, without an Alt-Svc header before it.
    `--origin-to-force-quic-on=${new URL(base).host}`,
    // The certificate is trusted because of its key, as if an authority had signed it.
    `--ignore-certificate-errors-spki-list=${pin}`,
  ],
});
try {
  const page = await browser.newPage();
  await page.goto(base);
  const lines = await page.evaluate(async (count) => {
    const lines = [];
    const check = (isGood, text) => {
      if (!isGood) throw new Error(text);
    };
    const protocols = (type) => performance.getEntriesByType(type).map((entry) => entry.nextHopProtocol);
    const publish = (text) => fetch(`/publish/${text}`, { method: "POST" });
    const event = (stream, name) =>
      new Promise((resolve) => stream.addEventListener(name, resolve, { once: true }));

    const seen = await (await fetch("/protocol")).text();
    check(seen === "HTTP/3.0", `the server saw ${seen}`);
    check(protocols("navigation").join() === "h3", `the page came over ${protocols("navigation")}`);
    const large = new Uint8Array(1 << 20).map((_, at) => at);
    const back = new Uint8Array(await (await fetch("/echo", { method: "POST", body: large })).arrayBuffer());
    check(back.length === large.length && back.every((byte, at) => byte === large[at]), "another body came back");
    lines.push("a page and requests over h3");

    const streams = Array.from({ length: count }, () => new EventSource("/events"));
    await Promise.all(streams.map((stream) => event(stream, "open")));
    const received = streams.map((stream) => event(stream, "message"));
    await publish("many");
    const texts = (await Promise.all(received)).map((one) => one.data);
    check(texts.every((text) => text === "many"), `received ${texts}`);
    streams.slice(1).forEach((stream) => stream.close());
    lines.push(`${count} streams in one tab`);

    // The server ends the stream. Chromium comes back with the ID of the last event.
    const [stream] = streams;
    const error = event(stream, "error");
    const next = event(stream, "message");
    await fetch("/close", { method: "POST" });
    await error;
    await publish("missed");
    const resumed = await next;
    check(resumed.data === "missed", `received ${resumed.data}`);
    stream.close();
    lines.push("a stream that resumes");

    const before = await (await fetch("/left")).text();
    const quiet = new EventSource("/quiet");
    await event(quiet, "message");
    quiet.close();
    // The response comes as soon as the server has noticed.
    await fetch(`/left-after/${before}`);
    lines.push("a client that leaves a quiet stream is noticed");
    const others = protocols("resource").filter((protocol) => protocol !== "h3" && protocol !== "");
    check(others.length === 0, `some came over ${others}`);
    return lines;
  }, STREAMS);
  for (const line of lines) console.log(line);
} finally {
  await browser.close();
}
