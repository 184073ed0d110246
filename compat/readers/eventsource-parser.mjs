// The npm package eventsource-parser: what `ai`, the MCP SDK and `eventsource` read with.

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
  // As its documentation has it.
  const decoder = new TextDecoder();
  for await (const chunk of (await fetch(url)).body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
  }
  return ended ? events : { error: "it lost the last event" };
});
