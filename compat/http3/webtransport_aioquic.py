"""WebTransport with aioquic: requests and sessions on one connection.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import asyncio
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import (
    DataReceived,
    DatagramReceived,
    HeadersReceived,
    WebTransportStreamDataReceived,
)
from aioquic.quic.configuration import QuicConfiguration

PATIENCE_S = 20
CLOSE = b"\x68\x43"


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic, enable_webtransport=True)
        self.events = []
        self.arrived = asyncio.Event()

    def quic_event_received(self, event):
        self.events += self.http.handle_event(event)
        self.arrived.set()

    async def wait_for(self, what, find):
        """Waits until an event is the one, and removes it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events:
                    if find(event):
                        self.events.remove(event)
                        return event
                self.arrived.clear()
                await self.arrived.wait()

    def send_request(self, method, path, **pseudo):
        stream = self._quic.get_next_available_stream_id()
        fields = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", f"localhost:{port}".encode()),
            (b":path", path.encode()),
        ]
        fields += [(f":{name}".encode(), value.encode()) for name, value in pseudo.items()]
        self.http.send_headers(stream, fields, end_stream=method == "GET")
        self.transmit()
        return stream

    async def status(self, stream):
        head = await self.wait_for(
            "a response",
            lambda event: isinstance(event, HeadersReceived) and event.stream_id == stream,
        )
        return dict(head.headers)[b":status"]

    async def get(self, path):
        assert await self.status(self.send_request("GET", path)) == b"200"

    async def open_session(self, path):
        session = self.send_request("CONNECT", path, protocol="webtransport")
        assert await self.status(session) == b"200"
        return session

    async def exchange(self, session):
        """Sends a datagram and streams of both kinds, which the server sends back."""
        self.http.send_datagram(session, b"datagram")
        self.transmit()
        event = await self.wait_for("a datagram", lambda event: isinstance(event, DatagramReceived))
        assert (event.stream_id, event.data) == (session, b"datagram"), event

        stream = self.http.create_webtransport_stream(session, is_unidirectional=True)
        self._quic.send_stream_data(stream, b"one way", end_stream=True)
        self.transmit()
        text = await self.read(lambda event: event.stream_id % 4 == 3, session)
        assert text == b"one way", text

        # This client parses what comes back on its own bidirectional stream as frames, so the
        # server's bytes are DATA frames.
        stream = self.http.create_webtransport_stream(session)
        self._quic.send_stream_data(stream, b"\x00\x04both", end_stream=True)
        self.transmit()
        event = await self.wait_for(
            "both ways",
            lambda event: getattr(event, "stream_id", None) == stream
            and isinstance(event, (DataReceived, WebTransportStreamDataReceived)),
        )
        assert event.data.endswith(b"both"), event

    async def read(self, is_stream, session):
        text = b""
        while True:
            event = await self.wait_for(
                "a stream of the server",
                lambda event: isinstance(event, WebTransportStreamDataReceived) and is_stream(event),
            )
            # The session of a stream is not the number of the session, but the ID of its request.
            assert event.session_id == session, event
            text += event.data
            if event.stream_ended:
                return text

    async def close_of_server(self, session):
        data = b""
        while True:
            event = await self.wait_for(
                "a close",
                lambda event: isinstance(event, DataReceived) and event.stream_id == session,
            )
            data += event.data
            if event.stream_ended:
                return data


async def run():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    configuration.max_datagram_frame_size = 65536
    configuration.server_name = "localhost"
    if certificate:
        configuration.load_verify_locations(certificate)
    else:
        configuration.verify_mode = ssl.CERT_NONE
    async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Client) as client:
        await client.get("/")
        session = await client.open_session("/echo")
        assert session == 4, session
        await client.exchange(session)
        print("a session after a request, with datagrams and streams")
        await client.get("/")
        client.http.send_data(session, CLOSE + b"\x07\x00\x00\x00\x07bye", end_stream=True)
        client.transmit()
        second = await client.open_session("/echo")
        await client.exchange(second)
        print("a second session after the first one")
        third = await client.open_session("/echo")
        await client.exchange(third)
        await client.exchange(second)
        print("two sessions at the same time")
        closing = await client.open_session("/close/42")
        data = await client.close_of_server(closing)
        assert data == CLOSE + bytes([4 + 12]) + b"\x00\x00\x00\x2aas you asked", data
        await client.get("/")
        print("a close of the server, with its code and its text")


port = int(sys.argv[1])
certificate = sys.argv[2] if len(sys.argv) > 2 else None
asyncio.run(run())
