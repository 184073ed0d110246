"""The parts that the readers in Python share: they fetch the cases, and print the results."""

import json
import sys
from importlib.metadata import version

import httpx

# The event that ends each stream.
END = "end-of-case"
PATIENCE_S = 10


def read_all(package, read):
    """Lets read(client, url), an iterator of events, read each case, and prints the results."""
    base = sys.argv[1]
    cases = {}
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        for item in client.get(f"{base}/cases").json():
            try:
                cases[item["name"]] = until_end(read(client, base + item["path"]))
            except Exception as error:  # any failure of a client is a result
                cases[item["name"]] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"version": version(package), "cases": cases}))


def until_end(events):
    received = []
    for event in events:
        if event["event"] == END:
            return received
        received.append(event)
    return {"error": "it lost the last event"}
