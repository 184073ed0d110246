// The npm package launchdarkly-eventsource: EventSource for node.

import launchdarkly from "launchdarkly-eventsource";

import { END, readAll, readWithEventSource } from "./cases.mjs";

const { EventSource } = launchdarkly;

await readAll("launchdarkly-eventsource", (url, item) => readWithEventSource(new EventSource(url), item, END));
