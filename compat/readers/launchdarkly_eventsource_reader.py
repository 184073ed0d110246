"""The PyPI package launchdarkly-eventsource."""

from ld_eventsource import SSEClient

from cases import read_all


def read(_client, url):
    source = SSEClient(url)
    try:
        for event in source.events:
            yield {"event": event.event, "data": event.data, "id": event.last_event_id or ""}
    finally:
        source.close()


read_all("launchdarkly-eventsource", read)
