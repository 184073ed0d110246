"""A client of HTTP/3 on aioquic, for the scripts beside this file."""

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
        self.http = self.new_http()
        self.streams = {}

    def new_http(self):
        return H3Connection(self._quic)

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for queue in self.streams.values():
                queue.put_nowait(event)
        if isinstance(event, StreamReset) and event.stream_id in self.streams:
            self.streams[event.stream_id].put_nowait(event)
        for http_event in self.http.handle_event(event):
            self.http_event_received(http_event)

    def http_event_received(self, event):
        if isinstance(event, (HeadersReceived, DataReceived)):
            self.streams[event.stream_id].put_nowait(event)

    def request(self, method, path, body=b"", **headers):
        """Begins a request, and returns the number of its stream."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        stream = self.send_head(method, path, headers, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
            self.transmit()
        return stream

    def send_head(self, method, path, headers, end_stream=False):
        """Sends the head of a request, and returns the number of its stream."""
        stream = self._quic.get_next_available_stream_id()
        self.streams[stream] = asyncio.Queue()
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", f"localhost:{port}"),
            (":path", path),
            *headers.items(),
        ]
        fields = [(name.encode(), value.encode()) for name, value in fields]
        self.http.send_headers(stream, fields, end_stream=end_stream)
        self.transmit()
        return stream

    async def next(self, stream):
        """Waits for the next event of a stream."""
        event = await asyncio.wait_for(self.streams[stream].get(), PATIENCE_S)
        assert not isinstance(event, (ConnectionTerminated, StreamReset)), event
        return event

    async def read(self, stream, until=None):
        """Reads to the end of a response, or until this text. Returns the status and the body."""
        status, body = None, b""
        while True:
            event = await self.next(stream)
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


def run(checks, create_protocol=Client, **settings):
    """Runs the checks with a connection to the server."""

    async def connected():
        configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, **settings)
        configuration.load_verify_locations(certificate)
        configuration.server_name = "localhost"
        async with connect(
            "127.0.0.1", port, configuration=configuration, create_protocol=create_protocol
        ) as client:
            await checks(client)

    asyncio.run(connected())


port, certificate = int(sys.argv[1]), sys.argv[2]
