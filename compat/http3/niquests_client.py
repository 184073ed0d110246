"""Requests and event streams over HTTP/3 with niquests.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import sys

import niquests

port, certificate = int(sys.argv[1]), sys.argv[2]
base = f"https://localhost:{port}"
with niquests.Session(disable_http1=True, disable_http2=True, timeout=20) as session:
    session.verify, session.trust_env = certificate, False
    session.quic_cache_layer.add_domain("localhost", port)
    response = session.get(f"{base}/protocol")
    assert (response.http_version, response.text) == (30, "HTTP/3.0"), response.http_version
    large = bytes(range(256)) * 1024
    assert session.post(f"{base}/echo", data=large).content == large
    print("requests")

    response = session.get(f"{base}/finite", stream=True)
    assert response.http_version == 30
    text = b"".join(response.iter_content(-1)).decode()
    assert text.count("data: ") == 3, text
    print("an event stream to its end")

    before = session.get(f"{base}/left").text
    response = session.get(f"{base}/quiet", stream=True)
    text = ""
    for piece in response.iter_content(-1):
        text += piece.decode()
        if "data: first\n\n" in text:
            break
    response.close()
session = None
with niquests.Session(disable_http1=True, disable_http2=True, timeout=20) as session:
    session.verify, session.trust_env = certificate, False
    session.quic_cache_layer.add_domain("localhost", port)
    session.get(f"{base}/left-after/{before}")
    print("a client that leaves a quiet stream is noticed")
