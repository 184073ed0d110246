// The npm package openai, streaming a chat completion: openai.mjs BASE WAY…

import OpenAI from "openai";

import { version } from "./cases.mjs";

const [base, ...ways] = process.argv.slice(2);
const cases = {};
for (const way of ways) {
  const client = new OpenAI({ apiKey: "none", baseURL: `${base}/${way}`, maxRetries: 0, timeout: 20_000, logLevel: "off" });
  try {
    const stream = await client.chat.completions.create({
      model: "none",
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0].delta.content ?? "";
    }
    cases[way] = { text };
  } catch (error) {
    cases[way] = { error: `${error.constructor.name}: ${error.message}` };
  }
}
process.stdout.write(JSON.stringify({ version: await version("openai"), cases }));
