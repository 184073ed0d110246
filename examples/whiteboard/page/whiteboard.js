// Draws what the hub sends, and sends what the user draws.

const NAMES = ["black", "red", "blue", "green", "orange"];
const COLORS = ["#1a1a1a", "#d02020", "#2050d0", "#208040", "#e08000"];
/** As many points as the server takes in one line. */
const MAX_POINTS = 200;

const board = document.querySelector("#board");
const state = document.querySelector("#state");
const pen = board.getContext("2d", { willReadFrequently: true });
let socket;
/** The ID of the last message. Only this page keeps it, so a reload begins with the whole picture. */
let last;

NAMES.forEach((name, color) => {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "color", value: color, checked: color === 0 });
  label.append(input, ` ${name}`);
  document.querySelector("#colors").append(label);
});

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

function connect() {
  const url = new URL("/board", location.href.replace(/^http/, "ws"));
  // A client that returns gets only what it has missed.
  if (last) url.searchParams.set("lastEventId", last);
  socket = new WebSocket(url);
  socket.onopen = () => show("open", "Connected");
  socket.onmessage = ({ data }) => receive(JSON.parse(data));
  socket.onclose = ({ reason }) => {
    show("waiting", reason ? `Reconnecting: ${reason}` : "Reconnecting");
    // At a random time, so that not all pages return at the same moment.
    setTimeout(connect, 300 + Math.random() * 1000);
  };
}

function receive({ id, event, data }) {
  last = id ?? last;
  if (event === "line") drawLine(JSON.parse(data));
  // After a gap, the hub sends everything that it holds, and what it does not hold is lost.
  if (event === "clear" || event === "gap") clear();
}

function clear() {
  pen.clearRect(0, 0, board.width, board.height);
}

function drawLine({ color, points }) {
  Object.assign(pen, { strokeStyle: COLORS[color], lineWidth: 4, lineCap: "round", lineJoin: "round" });
  pen.beginPath();
  pen.moveTo(...points[0]);
  // A line with one point is a dot.
  (points.length > 1 ? points.slice(1) : points).forEach((point) => pen.lineTo(...point));
  pen.stroke();
}

/** The points of the line that is being drawn, and that were not sent yet. */
let points = [];

function pointOf(event) {
  const { left, top, width, height } = board.getBoundingClientRect();
  const within = (value, most) => Math.min(Math.max(Math.round(value * most), 0), most);
  return [within((event.clientX - left) / width, board.width), within((event.clientY - top) / height, board.height)];
}

/** Sends the points. The next line begins where this one ends. */
function flush() {
  if (points.length === 0) return;
  if (socket.readyState === WebSocket.OPEN) {
    const color = Number(new FormData(document.querySelector("#tools")).get("color"));
    socket.send(JSON.stringify({ line: { color, points } }));
  }
  points = points.slice(-1);
}

board.addEventListener("pointerdown", (event) => {
  board.setPointerCapture(event.pointerId);
  points = [pointOf(event)];
  flush();
});

board.addEventListener("pointermove", (event) => {
  if (!board.hasPointerCapture(event.pointerId)) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) {
    points.push(pointOf(each));
    if (points.length === MAX_POINTS) flush();
  }
  // Once in each frame, and not for each movement.
  if (points.length > 1 && !board.isWaiting) {
    board.isWaiting = true;
    requestAnimationFrame(() => {
      board.isWaiting = false;
      flush();
    });
  }
});

board.addEventListener("pointerup", () => {
  if (points.length > 1) flush();
  points = [];
});

document.querySelector("#clear").addEventListener("click", () => {
  if (socket.readyState === WebSocket.OPEN) socket.send('"clear"');
});

connect();
