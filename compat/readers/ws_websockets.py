"""Talks to an echo with PyPI's websockets: messages, a ping, a large message, and the close."""

import asyncio
import json
import sys

import websockets
from websockets.asyncio.client import connect


async def echo(url, message):
    async with connect(url, max_size=None) as socket:
        await socket.send(message)
        received = await socket.recv()
        assert received == message, "another message came back"


async def ping(url):
    async with connect(url) as socket:
        await asyncio.wait_for(await socket.ping(b"are you there"), 20)


async def close(url):
    async with connect(url) as socket:
        await socket.close(4001, "bye")
        assert (socket.close_code, socket.close_reason) == (4001, "bye"), socket.close_code


async def fragments(url):
    async with connect(url) as socket:
        await socket.send(["a", "b", "c"])
        assert await socket.recv() == "abc"


async def too_large(url):
    async with connect(url + "small", max_size=None) as socket:
        await socket.send("x" * 2000)
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd.code == 1009, closed
        else:
            raise AssertionError("the message was accepted")


async def main(url):
    cases = {
        "text": echo(url, "häl\u2028lo"),
        "bytes": echo(url, bytes(range(256))),
        "5 MB": echo(url, b"x" * 5_000_000),
        "ping": ping(url),
        "close": close(url),
        "fragments": fragments(url),
        "too large": too_large(url),
    }
    results = {}
    for name, case in cases.items():
        try:
            await case
            results[name] = "ok"
        except Exception as error:  # every failure belongs into the report
            results[name] = {"error": repr(error)}
    print(json.dumps({"version": websockets.__version__, "cases": results}))


asyncio.run(main(sys.argv[1]))
