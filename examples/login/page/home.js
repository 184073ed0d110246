"use strict";

const element = (id) => document.getElementById(id);
const online = new Set();

function state(name, text) {
  element("state").dataset.state = name;
  element("state").textContent = text;
}

/** Adds a line. It is text, so nobody's notification can be HTML. */
function add(list, text, kind = "") {
  const line = document.createElement("li");
  line.textContent = text;
  line.className = kind;
  element(list).append(line);
}

function show(list, event) {
  const { from, text } = JSON.parse(event.data);
  add(list, `${from}: ${text}`);
}

function showOnline() {
  element("online").replaceChildren(
    ...[...online].sort().map((name) => {
      const line = document.createElement("li");
      line.textContent = name;
      return line;
    }),
  );
}

const events = new EventSource("/events");
events.onopen = () => state("open", "Connected");
events.onmessage = (event) => show("list", event);
events.onerror = () => {
  if (events.readyState === EventSource.CLOSED) {
    // The session has ended, here or in another tab.
    location.replace("/login");
  } else {
    state("waiting", "Connecting");
  }
};
events.addEventListener("gap", () => add("list", "Some notifications are missing.", "gap"));
events.addEventListener("online", (event) => {
  online.clear();
  for (const name of JSON.parse(event.data)) online.add(name);
  showOnline();
});
events.addEventListener("joined", (event) => {
  online.add(JSON.parse(event.data));
  showOnline();
});
events.addEventListener("left", (event) => {
  online.delete(JSON.parse(event.data));
  showOnline();
});

element("send").onsubmit = async (event) => {
  event.preventDefault();
  const response = await fetch("/notifications", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ to: element("to").value, text: element("text").value }),
  });
  element("problem").textContent = response.ok ? "" : ((await response.json()).detail ?? "It was not sent.");
  if (response.ok) element("text").value = "";
};

let token = "";

element("token").onclick = async () => {
  const response = await fetch("/tokens", { method: "POST" });
  token = (await response.json()).token;
  element("command").textContent = `curl -N ${location.origin}/api/events -H 'authorization: Bearer ${token}'`;
  element("command").hidden = false;
  element("ticket").hidden = false;
};

let last = "";

const openLater = () => setTimeout(openByTicket, 1000 + Math.random() * 5000);

/** Opens a stream as a page of another site does: by a ticket, which is good once. */
async function openByTicket() {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch("/api/tickets", { method: "POST", headers }).catch(() => null);
  // Without a response the server is away. With a refusal the token has ended.
  if (!response || response.status >= 500) return openLater();
  if (!response.ok) {
    element("by-ticket").dataset.state = "ended";
    return;
  }
  const { ticket } = await response.json();
  const stream = new EventSource(`/ticket-events?ticket=${ticket}&lastEventId=${encodeURIComponent(last)}`);
  stream.onopen = () => {
    element("by-ticket").dataset.state = "open";
  };
  stream.onmessage = (event) => {
    last = event.lastEventId;
    show("by-ticket", event);
  };
  stream.addEventListener("gap", () => add("by-ticket", "Some notifications are missing.", "gap"));
  // Closed by hand, because a reconnection would send a ticket that is used up.
  stream.onerror = () => {
    stream.close();
    openLater();
  };
}

element("ticket").onclick = openByTicket;
