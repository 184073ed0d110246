// The npm package eventsource-parser, which `ai`, the MCP SDK and `eventsource` use.

import { createParser } from "eventsource-parser";

import { END, readAll } from "./cases.mjs";

await readAll("eventsource-parser", async (url) => {
  const events = [];
  let ended = false;
  const parser = createParser({
    onEvent(event) {
      if (event.event === END) {
        ended = true;
      } else {
        events.push({ event: event.event ?? "message", data: event.data, id: event.id ?? "" });
      }
    },
    onError(error) {
      throw error;
    },
  });
  // As in its documentation.
  const decoder = new TextDecoder();
  for await (const chunk of (await fetch(url)).body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
  }
  return ended ? events : { error: "it lost the last event" };
});
