// Reads compressed event streams with node's fetch. The server sends an event only after the client
// has confirmed the one before over another request.
//
// The arguments are the URL of the server, a name for the streams, and the codings.

const [base, name, ...codings] = process.argv.slice(2);
const cases = {};

for (const coding of codings) {
  try {
    cases[coding] = await read(coding);
  } catch (error) {
    cases[coding] = { error: String(error.cause ?? error) };
  }
}
console.log(JSON.stringify({ version: process.version, cases }));

async function read(coding) {
  const stream = `${name}-${coding}`;
  const signal = AbortSignal.timeout(20_000);
  const response = await fetch(`${base}/events/${stream}`, {
    headers: { "accept-encoding": coding },
    signal,
  });
  if (response.headers.get("content-encoding") !== coding) {
    throw new Error(`the coding is ${response.headers.get("content-encoding")}`);
  }
  const events = [];
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const number = /^data: number (\d+)/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (number) {
        events.push(Number(number));
        await fetch(`${base}/confirm/${stream}/${number}`, { method: "POST", signal });
      }
    }
  }
  return events;
}
