// What Chromium lets pages of two origins do with a third: origins_chromium.mjs PAGE OTHER API

import { openPage } from "./page.mjs";

const [base, other, api] = process.argv.slice(2);

const allowed = await openPage(base, { modules: false });
const cases = await allowed.evaluate(async (api) => {
  const attempt = async (ask) => {
    try {
      return await ask();
    } catch (error) {
      return error.name;
    }
  };
  const get = (path, init = {}) => fetch(api + path, init);
  const status = (path, init) => attempt(async () => (await get(path, init)).status);
  const text = (path, init) => attempt(async () => (await get(path, init)).text());
  const event = (withCredentials) =>
    new Promise((resolve) => {
      const source = new EventSource(`${api}/events`, { withCredentials });
      const end = (value) => {
        source.close();
        resolve(value);
      };
      source.onmessage = (event) => end(event.data);
      source.onerror = () => end("error");
    });
  const credentials = "include";
  return {
    "PUT with a preflight": await attempt(async () => {
      const response = await get("/item/7", { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
      return [response.status, await response.text()];
    }),
    404: await status("/unknown"),
    405: await status("/me", { method: "POST" }),
    400: await status("/item/x", { method: "PUT" }),
    "a panic": await status("/panic"),
    "429 and its Retry-After": await attempt(async () => {
      const response = await get("/busy");
      return [response.status, response.headers.get("retry-after")];
    }),
    "a method that the path has not": await status("/me", { method: "DELETE" }),
    "a header that is not allowed": await status("/me", { headers: { "x-other": "1" } }),
    "before the login": await status("/me", { credentials }),
    "the login": await text("/login/anna", { method: "POST", credentials }),
    "with credentials": await text("/me", { credentials }),
    "without credentials": await status("/me", { credentials: "omit" }),
    "what scripts see of the cookies": document.cookie,
    "EventSource with credentials": await event(true),
    "EventSource without credentials": await event(false),
    "fetch of a stream with Last-Event-ID": await attempt(async () => {
      const response = await get("/events", { credentials, headers: { "last-event-id": "7", "cache-control": "no-cache" } });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let all = "";
      while (!/^data: .*\n/m.test(all)) {
        const { done, value } = await reader.read();
        if (done) break;
        all += value;
      }
      await reader.cancel();
      return all.match(/^data: .*$/m)?.[0];
    }),
    "a group that allows another origin": await status("/private"),
    "an order of another origin": await status("/orders", { method: "POST", credentials }),
  };
}, api);

const refused = await openPage(other, { modules: false });
Object.assign(
  cases,
  await refused.evaluate(async (api) => {
    const attempt = async (path, init) => {
      try {
        const response = await fetch(api + path, init);
        return response.type === "opaque" ? response.type : response.status;
      } catch (error) {
        return error.name;
      }
    };
    return {
      "another origin reads": await attempt("/me"),
      "another origin sends a preflight": await attempt("/item/7", { method: "PUT" }),
      "another origin opens an EventSource": await new Promise((resolve) => {
        const source = new EventSource(`${api}/events`);
        source.onmessage = () => resolve("message");
        source.onerror = () => resolve("error");
      }),
      "another site orders": await attempt("/orders", { method: "POST", mode: "no-cors", credentials: "include" }),
    };
  }, api),
);

const own = await openPage(`${api}/orders`, { modules: false });
Object.assign(
  cases,
  await own.evaluate(async () => ({
    "the orders of other origins": document.body.textContent,
    "the origin itself orders": await (await fetch("/orders", { method: "POST" })).text(),
  })),
);
console.log(JSON.stringify({ cases }));
process.exit(0);
