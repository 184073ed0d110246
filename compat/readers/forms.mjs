// Sends a form with undici, and reads ours with it: forms.mjs URL

import { fetch, FormData } from "undici";

const url = `${process.argv[2]}/form`;

async function send() {
  const form = new FormData();
  form.append("text", 'ünï\r\n--code "quoted"');
  form.append("tag", "a");
  form.append("tag", "b");
  const bytes = Buffer.from("\r\n--boundary\r\n\r\n--\0\xff\r\n", "latin1");
  form.append("file", new File([bytes], "nä me.bin"));
  return (await fetch(url, { method: "POST", body: form })).json();
}

async function read() {
  const fields = [];
  for (const [name, value] of await (await fetch(url)).formData()) {
    const isFile = typeof value !== "string";
    const content = isFile ? Buffer.from(await value.arrayBuffer()) : Buffer.from(value);
    fields.push({ name, file: isFile ? value.name : null, content: [...content] });
  }
  return fields;
}

const cases = {};
for (const [name, run] of [["undici sends", send], ["undici reads", read]]) {
  try {
    cases[name] = await run();
  } catch (error) {
    cases[name] = { error: String(error.cause ?? error) };
  }
}
console.log(JSON.stringify({ cases }));
