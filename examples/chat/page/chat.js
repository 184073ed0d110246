"use strict";

const ROOMS = ["lounge", "kitchen", "workshop"];
const LABELS = { open: "Live", waiting: "Waiting to return", closed: "Not live: load the page again" };
/** The number of rows that the page keeps. Older rows are removed. */
const MAX_ROWS = 500;
/** A reader who is no further than this from the end, in pixels, counts as being at the end. */
const NEAR_END = 40;

const element = (id) => document.getElementById(id);
const messages = element("messages");
const rooms = new Set(ROOMS);
let here = new Set();
let source;

/** The room in the page's address, so that a room can be a bookmark. */
const room = () => location.hash.slice(1) || ROOMS[0];
const name = () => element("name").value.trim();
const path = (what) => `/rooms/${room()}/${what}`;

/** Enters the room under the current name, and reads all messages that the server has kept. */
function enter() {
  source?.close();
  messages.replaceChildren();
  showHere(new Set());
  showRooms();
  show("waiting");

  // The browser reconnects by itself and sends the ID of the last event, so it gets the messages
  // that it missed, once and in order.
  source = new EventSource(`${path("events")}?name=${encodeURIComponent(name())}`);
  source.onopen = () => show("open");
  source.onerror = () => show(source.readyState === EventSource.CLOSED ? "closed" : "waiting");
  source.onmessage = (event) => append(messageRow(JSON.parse(event.data)));
  // The server has dropped messages that this page has not read, or was restarted. The page shows
  // the gap instead of hiding it.
  source.addEventListener("gap", (event) => append(gapRow(JSON.parse(event.data))));
  source.addEventListener("here", (event) => showHere(new Set(JSON.parse(event.data))));
  source.addEventListener("joined", (event) => showHere(here.add(JSON.parse(event.data))));
  source.addEventListener("left", (event) => {
    here.delete(JSON.parse(event.data));
    showHere(here);
  });
}

function messageRow({ author, text, time }) {
  const row = element("message-row").content.firstElementChild.cloneNode(true);
  const sent = new Date(time);
  row.classList.toggle("own", author === name());
  row.style.setProperty("--hue", hue(author));
  // Set as text, never as HTML, because anybody can write a message.
  row.querySelector(".author").textContent = author;
  row.querySelector(".text").textContent = text;
  row.querySelector("time").dateTime = sent.toISOString();
  row.querySelector("time").textContent = sent.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return row;
}

function gapRow({ after }) {
  const row = element("gap-row").content.firstElementChild.cloneNode(true);
  row.textContent = after ? "Some messages were missed." : "The server was restarted. Some messages may be missing.";
  return row;
}

function append(row) {
  const wasAtEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < NEAR_END;
  messages.append(row);
  while (messages.childElementCount > MAX_ROWS) {
    messages.firstElementChild.remove();
  }
  // A reader who has scrolled up stays there.
  if (wasAtEnd) {
    messages.scrollTop = messages.scrollHeight;
  }
}

function showHere(people) {
  here = people;
  element("here").replaceChildren(
    ...[...people].sort().map((person) => {
      const row = document.createElement("li");
      row.textContent = person;
      return row;
    }),
  );
}

function showRooms() {
  rooms.add(room());
  element("heading").textContent = `# ${room()}`;
  element("rooms").replaceChildren(
    ...[...rooms].map((name) => {
      const row = document.createElement("li");
      const link = document.createElement("a");
      link.href = `#${name}`;
      link.textContent = name;
      if (name === room()) {
        link.setAttribute("aria-current", "page");
      }
      row.append(link);
      return row;
    }),
  );
}

function show(state) {
  element("state").dataset.state = state;
  element("state").textContent = LABELS[state];
}

/** A colour for a name, the same on every page. */
function hue(text) {
  let sum = 0;
  for (const character of text) {
    sum = (sum * 31 + character.codePointAt(0)) % 360;
  }
  return sum;
}

/** Posts a message. It appears on this page, as on all others, when the stream delivers it. */
async function say(text) {
  try {
    const response = await fetch(path("messages"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ author: name(), text }),
    });
    if (response.ok) {
      return "";
    }
    const told = await response.json();
    return told.detail ?? told.title;
  } catch {
    return "The server does not respond.";
  }
}

element("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = element("text");
  const problem = await say(input.value);
  element("problem").textContent = problem;
  if (!problem) {
    input.value = "";
  }
  input.focus();
});

element("open").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = element("room");
  if (input.value) {
    location.hash = input.value;
    input.value = "";
  }
});

element("name").addEventListener("change", () => {
  element("name").value = name() || localStorage.getItem("name");
  localStorage.setItem("name", name());
  enter();
});

addEventListener("hashchange", enter);
element("name").value = localStorage.getItem("name") ?? `Guest ${Math.floor(100 + Math.random() * 900)}`;
localStorage.setItem("name", name());
enter();
element("text").focus();
