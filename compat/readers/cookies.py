"""Logs in and out with the cookie jars of Python (http.cookiejar): cookies.py URL"""

import json
import sys
import time

import httpx
import requests

URL = sys.argv[1]


def session(client, jar):
    before = client.get(f"{URL}/me").status_code
    welcome = client.post(f"{URL}/login/anna").text
    name = client.get(f"{URL}/me").text
    cookies = {cookie.name: cookie for cookie in jar}
    cookie = cookies["session"]
    http_only = "HttpOnly" if cookie.has_nonstandard_attr("HttpOnly") else "-"
    lasts_an_hour = 0 < cookie.expires - time.time() <= 3600
    bye = client.post(f"{URL}/logout").text
    assert "session" not in {cookie.name for cookie in jar}
    after = client.get(f"{URL}/me").status_code
    return [before, welcome, name, f"{lasts_an_hour} Path={cookie.path} {http_only}", bye, after]


with_requests = requests.Session()
with_httpx = httpx.Client()
cases = {
    "requests": session(with_requests, with_requests.cookies),
    "httpx": session(with_httpx, with_httpx.cookies.jar),
}
print(json.dumps({"cases": cases}))
