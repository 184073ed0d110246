"""The PyPI package httpx-sse."""

from httpx_sse import connect_sse

from cases import read_all


def read(client, url):
    with connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            yield {"event": event.event, "data": event.data, "id": event.id}


read_all("httpx-sse", read)
