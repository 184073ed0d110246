"""Requests and event streams over HTTP/3 with curl_cffi, which is libcurl with ngtcp2.

Arguments: the port, and the file of the certificate. Prints the checks that have passed.
"""

import sys

from curl_cffi import CurlHttpVersion, requests

port, certificate = int(sys.argv[1]), sys.argv[2]
base = f"https://localhost:{port}"
with requests.Session(
    http_version=CurlHttpVersion.V3ONLY, verify=certificate, trust_env=False, timeout=20
) as session:
    response = session.get(f"{base}/protocol")
    # libcurl counts versions: 30 is HTTP/3.
    assert (response.http_version, response.text) == (30, "HTTP/3.0"), response.http_version
    large = bytes(range(256)) * 1024
    assert session.post(f"{base}/echo", data=large).content == large
    print("requests")

    with session.stream("GET", f"{base}/finite") as response:
        assert response.http_version == 30
        text = b"".join(response.iter_content()).decode()
    assert text.count("data: ") == 3, text
    print("an event stream to its end")
