// Opens 20 event streams in one tab of Chromium, over HTTPS. Prints the protocol of each, once all
// of them have received an event.

import { chromium } from "playwright-core";

const [base, pin] = process.argv.slice(2);
const STREAMS = 20;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // The certificate is trusted because of its key, as if an authority had signed it.
    `--ignore-certificate-errors-spki-list=${pin}`,
  ],
});
try {
  const page = await browser.newPage();
  await page.goto(base);
  const opened = await page.evaluate(async (count) => {
    const streams = Array.from({ length: count }, (_, number) => new EventSource(`/events?${number}`));
    await Promise.all(
      streams.map((stream) => new Promise((resolve) => stream.addEventListener("message", resolve, { once: true }))),
    );
    const open = streams.filter((stream) => stream.readyState === EventSource.OPEN).length;
    const protocol = performance.getEntriesByType("navigation")[0].nextHopProtocol;
    streams.forEach((stream) => stream.close());
    return `${open} streams over ${protocol}`;
  }, STREAMS);
  console.log(opened);
} finally {
  await browser.close();
}
