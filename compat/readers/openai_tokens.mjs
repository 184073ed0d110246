// The npm package openai against examples/tokens: openai_tokens.mjs QUICK SLOW

import OpenAI from "openai";

import { version } from "./cases.mjs";

const [quick, slow] = process.argv.slice(2);
const client = (base) =>
  new OpenAI({ apiKey: "key", baseURL: `${base}/v1`, maxRetries: 0, timeout: 60_000, logLevel: "off" });
const request = { model: "volga-1", messages: [{ role: "user", content: "Hi" }] };

async function whole() {
  const completion = await client(quick).chat.completions.create(request);
  return { text: completion.choices[0].message.content };
}

async function streamed() {
  const stream_options = { include_usage: true };
  const stream = await client(quick).chat.completions.create({ ...request, stream: true, stream_options });
  let text = "";
  let tokens = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  return { text, tokens };
}

/** Leaves after a few tokens. */
async function leaves(query) {
  const answer = client(slow).chat.completions.create({ ...request, stream: true }, { query });
  const { data: stream, response } = await answer.withResponse();
  let text = "";
  for await (const chunk of stream) {
    text += chunk.choices[0].delta.content ?? "";
    if (text.length > 10) {
      stream.controller.abort();
      break;
    }
  }
  return { text, answer: response.headers.get("reply-token") };
}

async function refused() {
  try {
    await client(quick).chat.completions.create({ ...request, model: "none", stream: true });
    return { text: "" };
  } catch (error) {
    return { text: `${error.status} ${error.code} ${error.param}` };
  }
}

const cases = {};
for (const [name, act] of Object.entries({
  whole,
  streamed,
  refused,
  leaves: () => leaves({}),
  "leaves, cancel": () => leaves({ when_abandoned: "cancel" }),
  "leaves, run on": () => leaves({ when_abandoned: "run-on" }),
})) {
  cases[name] = await act().catch((error) => ({ error: `${error.constructor.name}: ${error.message}` }));
}
process.stdout.write(JSON.stringify({ version: await version("openai"), cases }));
