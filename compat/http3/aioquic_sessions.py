"""WebTransport over HTTP/3 with aioquic, beside requests of the same connection.

aioquic has the settings and the streams of WebTransport (draft 02), and no capsules, so this file
reads and writes those.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import asyncio

import aioquic_support
from aioquic.buffer import Buffer
from aioquic.h3.connection import H3Connection, Setting
from aioquic.h3.events import (
    DatagramReceived,
    HeadersReceived,
    WebTransportStreamDataReceived,
)
from aioquic.quic.events import StreamDataReceived

CLOSE_WEBTRANSPORT_SESSION = 0x2843
# The settings by which newer drafts of WebTransport are negotiated: 07, 13 and 15.
NEWER_DRAFTS = {0xC671706A, 0x14E9CD29, 0x2C7CF000}
LARGE = bytes(range(256)) * 4096
DATAGRAMS = 20


class Client(aioquic_support.Client):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # The streams that the server has opened, and the datagrams, by their session.
        self.opened = {}
        self.datagrams = {}
        # The bidirectional streams that this client has opened.
        self.own = set()

    def new_http(self):
        return H3Connection(self._quic, enable_webtransport=True)

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.stream_id in self.own:
            # These bytes follow no header, because the client has sent that of the stream.
            # `H3Connection.create_webtransport_stream` does not note it, so aioquic would read the
            # bytes as frames of HTTP/3: it would wait for the rest of a frame, or close the
            # connection.
            self.streams[event.stream_id].put_nowait(event)
            return
        super().quic_event_received(event)

    def http_event_received(self, event):
        if isinstance(event, DatagramReceived):
            self.datagrams[event.stream_id].put_nowait(event.data)
        elif isinstance(event, WebTransportStreamDataReceived):
            if event.stream_id not in self.streams:
                self.streams[event.stream_id] = asyncio.Queue()
                self.opened[event.session_id].put_nowait(event.stream_id)
            self.streams[event.stream_id].put_nowait(event)
        else:
            super().http_event_received(event)

    async def open_session(self, path):
        """Sends an extended CONNECT. Returns the ID of the session: the number of its stream."""
        headers = {":protocol": "webtransport"}
        session = self.send_head("CONNECT", path, headers)
        self.opened[session] = asyncio.Queue()
        self.datagrams[session] = asyncio.Queue()
        event = await self.next(session)
        assert isinstance(event, HeadersReceived) and not event.stream_ended, event
        head = dict(event.headers)
        assert head[b":status"] == b"200", head
        assert head[b"sec-webtransport-http3-draft"] == b"draft02", head
        return session

    def open_stream(self, session, data, is_unidirectional=False):
        """Sends this on a stream of its own, and ends the client's side of it."""
        stream = self.http.create_webtransport_stream(session, is_unidirectional)
        if not is_unidirectional:
            self.own.add(stream)
            self.streams[stream] = asyncio.Queue()
        self.send(stream, data)
        return stream

    def send(self, stream, data):
        self._quic.send_stream_data(stream, data, end_stream=True)
        self.transmit()

    async def accept_stream(self, session):
        return await asyncio.wait_for(self.opened[session].get(), aioquic_support.PATIENCE_S)

    async def read_stream(self, stream):
        """Reads a stream of a session to its end."""
        data, is_over = b"", False
        while not is_over:
            event = await self.next(stream)
            data += event.data
            is_over = event.end_stream if stream in self.own else event.stream_ended
        return data

    async def echo_datagrams(self, session):
        """Sends datagrams until each of them has come back. A datagram may get lost."""
        missing = {f"datagram {number}".encode() for number in range(DATAGRAMS)}

        async def receive():
            while missing:
                missing.discard(await self.datagrams[session].get())

        async def send():
            while True:
                for data in missing:
                    self.http.send_datagram(session, data)
                self.transmit()
                await asyncio.sleep(1)

        sending = asyncio.ensure_future(send())
        await asyncio.wait_for(receive(), aioquic_support.PATIENCE_S)
        sending.cancel()

    def close_session(self, session, code, reason):
        payload = code.to_bytes(4, "big") + reason
        capsule = Buffer(capacity=len(payload) + 16)
        capsule.push_uint_var(CLOSE_WEBTRANSPORT_SESSION)
        capsule.push_uint_var(len(payload))
        capsule.push_bytes(payload)
        self.http.send_data(session, capsule.data, end_stream=True)
        self.transmit()

    async def read_close(self, session):
        """Reads the stream of a session to its end. Returns the code and the reason of the close,
        or `None` if the server has sent no close."""
        _, capsules = await self.read(session)
        capsules = Buffer(data=capsules)
        close = None
        while not capsules.eof():
            kind = capsules.pull_uint_var()
            payload = capsules.pull_bytes(capsules.pull_uint_var())
            if kind == CLOSE_WEBTRANSPORT_SESSION:
                assert close is None and capsules.eof(), "nothing follows a close"
                close = (int.from_bytes(payload[:4], "big"), payload[4:])
        return close


async def checks(client):
    # The first request of the connection is not that of a session.
    assert await client.ask("GET", "/protocol") == (200, b"HTTP/3.0")
    sent, received = client.http.sent_settings, client.http.received_settings
    assert sent[Setting.ENABLE_WEBTRANSPORT] == 1 and not NEWER_DRAFTS & sent.keys(), sent
    for setting in (
        Setting.ENABLE_CONNECT_PROTOCOL,
        Setting.H3_DATAGRAM,
        Setting.ENABLE_WEBTRANSPORT,
    ):
        assert received[setting] == 1, received
    print("both sides know draft 02, and aioquic knows no newer one")

    first = await client.open_session("/session")
    assert first == 4, "the session has the number of the second stream"
    print("a session after a request")

    stream = client.open_stream(first, LARGE)
    assert await client.read_stream(stream) == LARGE
    await client.echo_datagrams(first)
    print("a bidirectional stream of 1 MiB, and datagrams")

    client.open_stream(first, b"over and back", is_unidirectional=True)
    stream = await client.accept_stream(first)
    assert await client.read_stream(stream) == b"over and back"
    assert stream % 4 == 3, "the server has opened a unidirectional stream"
    print("unidirectional streams from both sides")

    client.open_stream(first, b"ask me", is_unidirectional=True)
    stream = await client.accept_stream(first)
    assert await client.read_stream(stream) == b"your name?"
    assert stream % 4 == 1, "the server has opened a bidirectional stream"
    client.send(stream, b"aioquic")
    assert await client.ask("GET", "/session-name") == (200, b"aioquic")
    print("a bidirectional stream of the server, and a request beside the session")

    client.close_session(first, 7, b"bye")
    assert await client.read_close(first) is None
    assert await client.ask("GET", "/session-end/1") == (200, b"closed by the client: 7 bye")
    print("the server sees the code and the reason of a close")

    second = await client.open_session("/session")
    assert second > first
    stream = client.open_stream(second, b"again")
    assert await client.read_stream(stream) == b"again"
    await client.echo_datagrams(second)
    client.close_session(second, 0, b"")
    assert await client.read_close(second) is None
    assert await client.ask("GET", "/session-end/2") == (200, b"closed by the client: 0")
    print("a second session of the same connection")

    third = await client.open_session("/session-close/42")
    assert await client.read_close(third) == (42, b"as you asked")
    print("the client sees the code and the reason of a close")


aioquic_support.run(checks, Client, max_datagram_frame_size=65536)
