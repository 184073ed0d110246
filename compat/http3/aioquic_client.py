"""Requests and event streams over HTTP/3 with aioquic.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import asyncio
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

PATIENCE_S = 20


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.streams = {}

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for queue in self.streams.values():
                queue.put_nowait(event)
        if isinstance(event, StreamReset):
            self.streams[event.stream_id].put_nowait(event)
        for event in self.http.handle_event(event):
            if isinstance(event, (HeadersReceived, DataReceived)):
                self.streams[event.stream_id].put_nowait(event)

    def request(self, method, path, body=b"", **headers):
        """Begins a request, and returns the number of its stream."""
        stream = self._quic.get_next_available_stream_id()
        self.streams[stream] = asyncio.Queue()
        fields = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", f"localhost:{port}".encode()),
            (b":path", path.encode()),
        ]
        fields += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.http.send_headers(stream, fields, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return stream

    async def read(self, stream, until=None):
        """Reads to the end of a response, or until this text. Returns the status and the body."""
        status, body = None, b""
        while True:
            event = await asyncio.wait_for(self.streams[stream].get(), PATIENCE_S)
            assert isinstance(event, (HeadersReceived, DataReceived)), event
            if isinstance(event, HeadersReceived):
                status = int(dict(event.headers)[b":status"])
            else:
                body += event.data
            if event.stream_ended or (until is not None and until in body):
                return status, body

    async def ask(self, method, path, body=b"", **headers):
        return await self.read(self.request(method, path, body, **headers))

    def give_up(self, stream):
        """Sends STOP_SENDING: the client wants no more of a response."""
        self._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()


async def run():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    configuration.load_verify_locations(certificate)
    configuration.server_name = "localhost"
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Client
    ) as client:
        assert await client.ask("GET", "/protocol") == (200, b"HTTP/3.0")
        assert (await client.ask("GET", "/nowhere"))[0] == 404
        large = bytes(range(256)) * 4096
        assert await client.ask("POST", "/echo", large) == (200, large)
        print("requests")

        status, body = await client.ask("GET", "/finite")
        assert (status, body.count(b"data: ")) == (200, 3), body
        print("an event stream to its end")

        many = [client.request("GET", "/events") for _ in range(20)]
        for stream in many:
            await client.read(stream, b"retry: ")
        await client.ask("POST", "/publish/many", b"-")
        for stream in many:
            await client.read(stream, b"data: many\n")
            client.give_up(stream)
        print("20 streams of one connection")

        first = client.request("GET", "/events")
        await client.read(first, b"retry: ")
        await client.ask("POST", "/publish/one", b"-")
        _, body = await client.read(first, b"data: one\n")
        last = body.split(b"id: ")[-1].split(b"\n")[0].decode()
        client.give_up(first)
        await client.ask("POST", "/publish/two", b"-")
        second = client.request("GET", "/events", last_event_id=last)
        _, body = await client.read(second, b"data: two\n")
        assert b"data: one" not in body, body
        client.give_up(second)
        print("a stream that resumes")

        _, before = await client.ask("GET", "/left")
        quiet = client.request("GET", "/quiet")
        await client.read(quiet, b"data: first\n\n")
        client.give_up(quiet)
        # The response comes as soon as the server has noticed.
        await client.ask("GET", f"/left-after/{before.decode()}")
        print("STOP_SENDING of a quiet stream is noticed")


port, certificate = int(sys.argv[1]), sys.argv[2]
asyncio.run(run())
