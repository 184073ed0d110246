"""Requests and event streams over HTTP/3 with aioquic.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import aioquic_support


async def checks(client):
    assert await client.ask("GET", "/protocol") == (200, b"HTTP/3.0")
    assert (await client.ask("GET", "/nowhere"))[0] == 404
    large = bytes(range(256)) * 4096
    assert await client.ask("POST", "/echo", large) == (200, large)
    print("requests")

    status, body = await client.ask("GET", "/finite")
    assert (status, body.count(b"data: ")) == (200, 3), body
    print("an event stream to its end")

    many = [client.request("GET", "/events") for _ in range(20)]
    for stream in many:
        await client.read(stream, b"retry: ")
    await client.ask("POST", "/publish/many", b"-")
    for stream in many:
        await client.read(stream, b"data: many\n")
        client.give_up(stream)
    print("20 streams of one connection")

    first = client.request("GET", "/events")
    await client.read(first, b"retry: ")
    await client.ask("POST", "/publish/one", b"-")
    _, body = await client.read(first, b"data: one\n")
    last = body.split(b"id: ")[-1].split(b"\n")[0].decode()
    client.give_up(first)
    await client.ask("POST", "/publish/two", b"-")
    second = client.request("GET", "/events", last_event_id=last)
    _, body = await client.read(second, b"data: two\n")
    assert b"data: one" not in body, body
    client.give_up(second)
    print("a stream that resumes")

    _, before = await client.ask("GET", "/left")
    quiet = client.request("GET", "/quiet")
    await client.read(quiet, b"data: first\n\n")
    client.give_up(quiet)
    # The response comes as soon as the server has noticed.
    await client.ask("GET", f"/left-after/{before.decode()}")
    print("STOP_SENDING of a quiet stream is noticed")


aioquic_support.run(checks)
