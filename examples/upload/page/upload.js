// Uploads files with a progress bar, lists them, and downloads them with pauses.

const form = document.querySelector("#form");
const send = document.querySelector("#send");
const cancel = document.querySelector("#cancel");
const progress = document.querySelector("#progress");
const list = document.querySelector("#files");
const row = document.querySelector("#row");

const say = (text) => (document.querySelector("#status").textContent = text);
const complain = (text) => (document.querySelector("#problem").textContent = text);
const bytes = (count) => `${count.toLocaleString("en")} bytes`;
const url = (name) => `files/${encodeURIComponent(name)}`;

/** Sends the form. Only XMLHttpRequest says how much of a request was sent. */
function upload(data) {
  const request = new XMLHttpRequest();
  request.upload.onprogress = (event) => {
    progress.value = event.loaded / event.total;
    say(`${bytes(event.loaded)} of ${bytes(event.total)}`);
  };
  request.onload = () => {
    if (request.status === 201) {
      finish("Uploaded.");
      form.reset();
      refresh();
    } else {
      finish("");
      complain(reason(request.responseText) ?? `The server says ${request.status}.`);
    }
  };
  request.onerror = () => (finish(""), complain("The connection to the server broke."));
  request.onabort = () => finish("Cancelled.");
  cancel.onclick = () => request.abort();
  request.open("POST", form.action);
  request.setRequestHeader("accept", "application/problem+json");
  progress.value = 0;
  progress.hidden = cancel.hidden = false;
  send.disabled = true;
  request.send(data);
}

function finish(text) {
  progress.hidden = cancel.hidden = true;
  send.disabled = false;
  say(text);
}

/** The explanation in the problem details of a response. */
function reason(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return undefined;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  complain("");
  upload(new FormData(form));
});

async function refresh() {
  const files = await (await fetch("files")).json();
  list.replaceChildren(...files.map(entry));
}

function entry({ name, size }) {
  const item = row.content.cloneNode(true);
  const link = item.querySelector(".name");
  link.textContent = name;
  link.href = url(name);
  item.querySelector(".size").textContent = bytes(size);
  const button = item.querySelector(".download");
  const download = new Download(name, button, item.querySelector("progress"));
  button.addEventListener("click", () => download.toggle());
  item.querySelector(".delete").addEventListener("click", async () => {
    await fetch(url(name), { method: "DELETE" });
    refresh();
  });
  return item;
}

/** A download that can pause. It resumes with a range, if the file is still the same. */
class Download {
  #name;
  #button;
  #bar;
  #pieces = [];
  #received = 0;
  #etag;
  #running;

  constructor(name, button, bar) {
    this.#name = name;
    this.#button = button;
    this.#bar = bar;
  }

  toggle() {
    if (this.#running) {
      this.#running.abort();
    } else {
      this.#run().catch((error) => error.name === "AbortError" || complain(`The download failed: ${error.message}`));
    }
  }

  async #run() {
    this.#running = new AbortController();
    this.#bar.hidden = false;
    this.#button.textContent = "Pause";
    try {
      await this.#receive(this.#running.signal);
      this.#save();
      this.#button.textContent = "Download";
      this.#bar.hidden = true;
    } catch (error) {
      this.#button.textContent = "Resume";
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #receive(signal) {
    const headers = {};
    if (this.#received > 0) {
      headers.range = `bytes=${this.#received}-`;
      headers["if-range"] = this.#etag;
    }
    // The cache of the browser would answer a range by itself.
    const response = await fetch(url(this.#name), { headers, signal, cache: "no-store" });
    if (!response.ok) {
      throw new Error(`the server says ${response.status}`);
    }
    if (response.status === 200) {
      // The whole file: the first request, or the file is another one now.
      this.#pieces = [];
      this.#received = 0;
    }
    this.#etag = response.headers.get("etag");
    const total = this.#received + Number(response.headers.get("content-length"));
    for await (const piece of response.body) {
      this.#pieces.push(piece);
      this.#received += piece.length;
      this.#bar.value = this.#received / total;
    }
  }

  #save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(this.#pieces));
    link.download = this.#name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.#pieces = [];
    this.#received = 0;
  }
}

refresh();
