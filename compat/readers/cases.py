"""What the readers in Python share: which cases there are, and how what was received is told."""

import json
import sys
from importlib.metadata import version

import httpx

# The event that ends each stream.
END = "end-of-case"
PATIENCE_S = 10


def read_all(package, read):
    """Has read(client, url) read each case, an iterator of events, and prints what came of it."""
    base = sys.argv[1]
    cases = {}
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        for item in client.get(f"{base}/cases").json():
            try:
                cases[item["name"]] = until_end(read(client, base + item["path"]))
            except Exception as error:  # whatever a client does wrong is a result
                cases[item["name"]] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"version": version(package), "cases": cases}))


def until_end(events):
    received = []
    for event in events:
        if event["event"] == END:
            return received
        received.append(event)
    return {"error": "it lost the last event"}
