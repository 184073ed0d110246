// The npm package eventsource: EventSource for node.

import { EventSource } from "eventsource";

import { END, readAll, readWithEventSource } from "./cases.mjs";

await readAll("eventsource", (url, item) => readWithEventSource(new EventSource(url), item, END));
