// The laboratory's server, on better-sse.
import { once } from "node:events";
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const HELLO = "Hello, World!";
const port = Number(process.argv.at(-1));
const topic = createChannel();

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://bench");
  answer(request, response, url).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen({ host: "127.0.0.1", port, backlog: 1024 });

async function answer(request, response, url) {
  switch (url.pathname) {
    case "/events":
      // Each message is text, and is sent unchanged.
      topic.register(await createSession(request, response, { serializer: String }));
      return;
    case "/publish":
      topic.broadcast(await textOf(request));
      response.writeHead(204).end();
      return;
    case "/firehose":
      return firehose(request, response, Number(url.searchParams.get("n")));
    case "/plaintext":
      return send(response, "text/plain; charset=utf-8", HELLO);
    case "/json":
      return send(response, "application/json", JSON.stringify({ message: HELLO }));
  }
  const user = url.pathname.match(/^\/users\/(\d+)$/);
  if (user) {
    return send(response, "text/plain; charset=utf-8", `user ${user[1]}`);
  }
  response.writeHead(404).end();
}

async function firehose(request, response, n) {
  const session = await createSession(request, response);
  for (let counter = 0; counter < n; counter++) {
    session.push({ counter, sensor: "turbine-7", celsius: 21, open: true });
    if (response.writableNeedDrain) {
      await once(response, "drain");
    }
  }
  response.end();
}

async function textOf(request) {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function send(response, type, body) {
  response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body);
}
