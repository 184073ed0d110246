"""The PyPI package aiohttp-sse-client."""

import asyncio

from aiohttp_sse_client.client import EventSource

from cases import END, PATIENCE_S, read_all


def read(_client, url):
    yield from asyncio.run(asyncio.wait_for(all_events(url), PATIENCE_S))


async def all_events(url):
    events = []
    async with EventSource(url, on_error=stop) as source:
        async for event in source:
            # The client has no name for an event without one.
            events.append({"event": event.type or "message", "data": event.data, "id": event.last_event_id})
            if event.type == END:
                break
    return events


def stop():
    """The client reconnects whenever a stream ends. A case has one stream."""
    raise EOFError("it lost the last event")


read_all("aiohttp-sse-client", read)
