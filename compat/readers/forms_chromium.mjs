// Sends a form with Chromium's FormData, and reads ours with it: forms_chromium.mjs URL

import { openPage } from "./page.mjs";

const page = await openPage(process.argv[2]);
const cases = await page.evaluate(async () => {
  const form = new FormData();
  form.append("text", 'ünï\r\n--code "quoted"');
  form.append("tag", "a");
  form.append("tag", "b");
  const bytes = Uint8Array.from("\r\n--boundary\r\n\r\n--\0\xff\r\n", (char) => char.charCodeAt(0));
  form.append("file", new File([bytes], "nä me.bin"));
  const sent = await (await fetch("/form", { method: "POST", body: form })).json();
  const read = [];
  for (const [name, value] of await (await fetch("/form")).formData()) {
    const isFile = typeof value !== "string";
    const blob = isFile ? value : new Blob([value]);
    read.push({ name, file: isFile ? value.name : null, content: [...new Uint8Array(await blob.arrayBuffer())] });
  }
  return { "Chromium sends": sent, "Chromium reads": read };
});
console.log(JSON.stringify({ cases }));
process.exit(0);
