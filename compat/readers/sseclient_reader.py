"""The PyPI package sseclient, over requests as in its documentation."""

import contextlib
import sys
from importlib.metadata import distribution
from importlib.util import module_from_spec, spec_from_file_location
from types import SimpleNamespace

import requests

from cases import PATIENCE_S, read_all

# The package sseclient-py has a module of the same name, so this one is found by its file.
spec = spec_from_file_location("sseclient_file", distribution("sseclient").locate_file("sseclient.py"))
sseclient = module_from_spec(spec)
spec.loader.exec_module(sseclient)
# The client waits before it reconnects, and here it never does.
sseclient.time = SimpleNamespace(sleep=lambda _seconds: None)


class OneRequest(requests.Session):
    """The client reconnects whenever a stream ends. A case has one stream."""

    def get(self, url, **options):
        if hasattr(self, "requested"):
            raise EOFError("it lost the last event")
        self.requested = True
        return super().get(url, **options)


def read(_client, url):
    # The client looks for the end of the connection, not for that of the response.
    headers = {"Connection": "close"}
    with OneRequest() as session:
        session.trust_env = False
        # The client prints what it does, and standard output is for the results.
        with contextlib.redirect_stdout(sys.stderr):
            for event in sseclient.SSEClient(url, session=session, headers=headers, timeout=PATIENCE_S):
                yield {"event": event.event, "data": event.data, "id": event.id or ""}


read_all("sseclient", read)
