"""The PyPI package sseclient-py, over httpx as in its documentation."""

from sseclient import SSEClient

from cases import read_all


def read(client, url):
    with client.stream("GET", url, headers={"accept": "text/event-stream"}) as response:
        for event in SSEClient(response.iter_bytes()).events():
            yield {"event": event.event, "data": event.data, "id": event.id or ""}


read_all("sseclient-py", read)
