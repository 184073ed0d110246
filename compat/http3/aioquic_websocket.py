"""WebSockets over HTTP/3 (RFC 9220) with aioquic. PyPI's wsproto reads and writes the frames.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import collections

import aioquic_support
from aioquic.h3.connection import Setting
from aioquic.h3.events import HeadersReceived
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage


class WebSocket:
    """One WebSocket, on a stream of the client's connection."""

    def __init__(self, client, stream):
        self.client = client
        self.stream = stream
        self.frames = Connection(ConnectionType.CLIENT)
        self.events = collections.deque()

    def send(self, event):
        self.client.http.send_data(self.stream, self.frames.send(event), end_stream=False)
        self.client.transmit()

    async def next(self):
        while not self.events:
            event = await self.client.next(self.stream)
            self.frames.receive_data(event.data)
            self.events.extend(self.frames.events())
        return self.events.popleft()

    async def message(self):
        parts = []
        while True:
            event = await self.next()
            parts.append(event.data)
            if event.message_finished:
                return type(parts[0])().join(parts)


async def connect(client, path, protocol="websocket"):
    """Sends an extended CONNECT. Returns the status, and the WebSocket if it is open."""
    headers = {":protocol": protocol, "sec-websocket-version": "13"}
    stream = client.send_head("CONNECT", path, headers)
    event = await client.next(stream)
    assert isinstance(event, HeadersReceived), event
    return int(dict(event.headers)[b":status"]), WebSocket(client, stream)


async def checks(client):
    assert await client.ask("GET", "/protocol") == (200, b"HTTP/3.0")
    assert client.http.received_settings[Setting.ENABLE_CONNECT_PROTOCOL] == 1

    status, socket = await connect(client, "/socket")
    assert status == 200, status
    for event in (TextMessage(data="häl\u2028lo"), BytesMessage(data=b"x" * 500_000)):
        socket.send(event)
        assert await socket.message() == event.data, "another message came back"
    print("messages of both kinds")

    socket.send(Ping(payload=b"hello"))
    event = await socket.next()
    assert isinstance(event, Pong) and event.payload == b"hello", event
    for _ in range(5000):
        socket.send(TextMessage(data="x"))
    for _ in range(5000):
        assert await socket.message() == "x"
    print("a ping, and 5000 small messages")

    _, other = await connect(client, "/socket")
    other.send(TextMessage(data="other"))
    assert await other.message() == "other"
    socket.send(CloseConnection(code=4001, reason="bye"))
    event = await socket.next()
    assert isinstance(event, CloseConnection), event
    assert (event.code, event.reason) == (4001, "bye"), event
    other.send(TextMessage(data="still here"))
    assert await other.message() == "still here"
    print("the code of a close, and two WebSockets on one connection")

    statuses = [
        (await connect(client, path, protocol))[0]
        for path, protocol in (
            ("/protocol", "websocket"),
            ("/nowhere", "websocket"),
            ("/socket", "connect-udp"),
        )
    ]
    assert statuses == [405, 404, 501], statuses
    print("another method, path or protocol has its status")


aioquic_support.run(checks)
