"""Sends a form with foreign clients, and reads ours with foreign parsers: forms.py URL"""

import asyncio
import io
import json
import sys
import urllib.request

import aiohttp
import httpx
import python_multipart
import requests
from werkzeug.formparser import parse_form_data

URL = sys.argv[1] + "/form"
TEXT = 'ünï\r\n--code "quoted"'
NAME = "nä me.bin"
FILE = b"\r\n--boundary\r\n\r\n--\0\xff\r\n"


def send_with_requests():
    fields = [("text", TEXT), ("tag", "a"), ("tag", "b")]
    return requests.post(URL, data=fields, files={"file": (NAME, FILE)}).json()


def send_with_httpx():
    return httpx.post(URL, data={"text": TEXT, "tag": ["a", "b"]}, files={"file": (NAME, FILE)}).json()


async def send_with_aiohttp():
    form = aiohttp.FormData()
    for name, value in [("text", TEXT), ("tag", "a"), ("tag", "b")]:
        form.add_field(name, value)
    form.add_field("file", FILE, filename=NAME)
    async with aiohttp.ClientSession() as session, session.post(URL, data=form) as response:
        return await response.json()


def ours():
    with urllib.request.urlopen(URL) as response:
        return response.headers["content-type"], response.read()


def read_with_werkzeug():
    content_type, body = ours()
    environ = {
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_METHOD": "POST",
    }
    _, form, files = parse_form_data(environ)
    fields = [(name, None, value.encode()) for name, value in form.items(multi=True)]
    fields += [(name, file.filename, file.read()) for name, file in files.items(multi=True)]
    return [{"name": name, "file": file, "content": list(content)} for name, file, content in fields]


def read_with_python_multipart():
    content_type, body = ours()
    fields = []

    def add(name, file, content):
        file = file.decode() if file is not None else None
        fields.append({"name": name.decode(), "file": file, "content": list(content)})

    def on_field(field):
        add(field.field_name, None, field.value or b"")

    def on_file(file):
        file.file_object.seek(0)
        add(file.field_name, file.file_name, file.file_object.read())

    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    python_multipart.parse_form(headers, io.BytesIO(body), on_field, on_file)
    return fields


cases = {}
for name, run in [
    ("requests", send_with_requests),
    ("httpx", send_with_httpx),
    ("aiohttp", lambda: asyncio.run(send_with_aiohttp())),
    ("werkzeug", read_with_werkzeug),
    ("python-multipart", read_with_python_multipart),
]:
    try:
        cases[name] = run()
    except Exception as error:
        cases[name] = {"error": repr(error)}
json.dump({"cases": cases}, sys.stdout)
