// Reads generated bodies with busboy: busboy.mjs FILE

import { readFile } from "node:fs/promises";

import busboy from "busboy";

function parse({ boundary, bytes, piece }) {
  return new Promise((resolve) => {
    const fields = [];
    let parser;
    try {
      parser = busboy({
        headers: { "content-type": `multipart/form-data; boundary="${boundary}"` },
        preservePath: true,
        defParamCharset: "utf8",
      });
    } catch {
      return resolve(null);
    }
    // Text as bytes: a field is not decoded, but compared with what was sent.
    const onText = (name, text) => fields.push({ name: name ?? "", file: null, content: [...Buffer.from(text)] });
    parser.on("field", onText);
    parser.on("file", (name, stream, info) => {
      const field = { name: name ?? "", file: info.filename ?? null, content: [] };
      fields.push(field);
      stream.on("data", (data) => field.content.push(...data));
      stream.on("error", () => resolve(null));
    });
    parser.on("error", () => resolve(null));
    parser.on("close", () => resolve({ fields }));
    const all = Buffer.from(bytes, "hex");
    for (let at = 0; at < all.length; at += piece) {
      parser.write(all.subarray(at, at + piece));
    }
    parser.end();
  });
}

const results = [];
for (const body of JSON.parse(await readFile(process.argv[2], "utf8"))) {
  results.push(await parse(body));
}
console.log(JSON.stringify({ cases: { busboy: results } }));
