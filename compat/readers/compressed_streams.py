"""Reads compressed event streams with httpx or aiohttp.

The server sends an event only after the client has confirmed the one before over another request.
The arguments are the package, the URL of the server, a name for the streams, and the codings.
"""

import asyncio
import json
import re
import sys
from importlib.metadata import version

PATIENCE_S = 20
DATA = re.compile(rb"^data: number (\d+)", re.MULTILINE)


def check(coding, headers):
    if headers.get("content-encoding") != coding:
        raise ValueError(f"the coding is {headers.get('content-encoding')}")


class Events:
    """Splits the bytes of a stream into its events."""

    def __init__(self):
        self.bytes = b""
        self.numbers = []

    def feed(self, chunk):
        """Returns the numbers of the events that have become complete."""
        self.bytes += chunk
        new = []
        while b"\n\n" in self.bytes:
            event, self.bytes = self.bytes.split(b"\n\n", 1)
            new += [int(number) for number in DATA.findall(event)]
        self.numbers += new
        return new


async def read_httpx(base, stream, coding):
    import httpx

    events = Events()
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        headers = {"accept-encoding": coding}
        async with client.stream("GET", f"{base}/events/{stream}", headers=headers) as response:
            check(coding, response.headers)
            async for chunk in response.aiter_bytes():
                for number in events.feed(chunk):
                    await client.post(f"{base}/confirm/{stream}/{number}")
    return events.numbers


async def read_aiohttp(base, stream, coding):
    import aiohttp

    events = Events()
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        headers = {"accept-encoding": coding}
        async with client.get(f"{base}/events/{stream}", headers=headers) as response:
            check(coding, response.headers)
            async for chunk in response.content.iter_any():
                for number in events.feed(chunk):
                    await client.post(f"{base}/confirm/{stream}/{number}")
    return events.numbers


async def main():
    package, base, name, *codings = sys.argv[1:]
    read = {"httpx": read_httpx, "aiohttp": read_aiohttp}[package]
    cases = {}
    for coding in codings:
        try:
            cases[coding] = await read(base, f"{name}-{coding}", coding)
        except Exception as error:  # any failure of a client is a result
            cases[coding] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"version": version(package), "cases": cases}))


asyncio.run(main())
