"""Talks to an echo over HTTP/2 (RFC 8441) with PyPI's h2, with prior knowledge.

PyPI's wsproto reads and writes the frames.
"""

import collections
import importlib.metadata
import json
import socket
import sys
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage


class Client:
    """One WebSocket on a connection of its own."""

    def __init__(self, url):
        target = urlsplit(url)
        self.socket = socket.create_connection((target.hostname, target.port), 20)
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        self.http.increment_flow_control_window(1 << 24)
        self.websocket = Connection(ConnectionType.CLIENT)
        self.events = collections.deque()
        self.status = None
        setting = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        while not self.http.remote_settings.get(setting):
            self.receive()
        self.stream = self.http.get_next_available_stream_id()
        fields = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": "http",
            ":path": target.path,
            ":authority": target.netloc,
            "sec-websocket-version": "13",
        }
        self.http.send_headers(self.stream, list(fields.items()))
        while self.status is None:
            self.receive()
        assert self.status == "200", self.status

    def receive(self):
        """Sends what waits, and reads once."""
        self.socket.sendall(self.http.data_to_send())
        data = self.socket.recv(65536)
        assert data, "the server has closed the connection"
        for event in self.http.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.status = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                size = event.flow_controlled_length
                self.http.acknowledge_received_data(size, event.stream_id)
                if event.data:
                    self.websocket.receive_data(event.data)
                    self.events.extend(self.websocket.events())
            elif isinstance(event, h2.events.StreamReset):
                raise AssertionError("the stream was reset")

    def send(self, event):
        data = self.websocket.send(event)
        while data:
            room = self.http.local_flow_control_window(self.stream)
            part = data[: min(room, self.http.max_outbound_frame_size)]
            if part:
                self.http.send_data(self.stream, part)
                data = data[len(part) :]
            else:
                self.receive()
        self.socket.sendall(self.http.data_to_send())

    def next(self):
        while not self.events:
            self.receive()
        return self.events.popleft()

    def message(self):
        parts = []
        while True:
            event = self.next()
            parts.append(event.data)
            if event.message_finished:
                return type(parts[0])().join(parts)


def echo(client, event):
    client.send(event)
    assert client.message() == event.data, "another message came back"


def ping(client):
    client.send(Ping(payload=b"hello"))
    event = client.next()
    assert isinstance(event, Pong) and event.payload == b"hello", event


def close(client):
    client.send(CloseConnection(code=4001, reason="bye"))
    event = client.next()
    assert isinstance(event, CloseConnection), event
    assert (event.code, event.reason) == (4001, "bye"), event


def many(client):
    for _ in range(5000):
        client.send(TextMessage(data="x"))
    for _ in range(5000):
        assert client.message() == "x"


CASES = {
    "text": lambda client: echo(client, TextMessage(data="häl\u2028lo")),
    "bytes": lambda client: echo(client, BytesMessage(data=bytes(range(256)))),
    "500 kB": lambda client: echo(client, BytesMessage(data=b"x" * 500_000)),
    "ping": ping,
    "close": close,
    "5000 small messages": many,
}

results = {}
for name, case in CASES.items():
    try:
        case(Client(sys.argv[1]))
        results[name] = "ok"
    except Exception as error:  # every failure belongs into the report
        results[name] = {"error": repr(error)}
print(json.dumps({"version": importlib.metadata.version("h2"), "cases": results}))
