"""The PyPI package openai against examples/tokens: openai_tokens_reader.py QUICK SLOW"""

import json
import sys
from importlib.metadata import version

from openai import APIStatusError, OpenAI

QUICK, SLOW = sys.argv[1:]
REQUEST = {"model": "volga-1", "messages": [{"role": "user", "content": "Hi"}]}


def completions(base):
    client = OpenAI(api_key="key", base_url=f"{base}/v1", max_retries=0, timeout=60)
    return client.chat.completions


def whole():
    return {"text": completions(QUICK).create(**REQUEST).choices[0].message.content}


def streamed():
    text, tokens = "", 0
    for chunk in completions(QUICK).create(
        **REQUEST, stream=True, stream_options={"include_usage": True}
    ):
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        tokens = chunk.usage.completion_tokens if chunk.usage else tokens
    return {"text": text, "tokens": tokens}


def leaves(query):
    """Leaves after a few tokens."""
    raw = completions(SLOW).with_raw_response.create(**REQUEST, stream=True, extra_query=query)
    text = ""
    with raw.parse() as stream:
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if len(text) > 10:
                break
    return {"text": text, "answer": raw.headers["reply-token"]}


def refused():
    try:
        completions(QUICK).create(**{**REQUEST, "model": "none"}, stream=True)
        return {"text": ""}
    except APIStatusError as error:
        return {"text": f"{error.status_code} {error.code} {error.param}"}


cases = {}
for name, act in {
    "whole": whole,
    "streamed": streamed,
    "refused": refused,
    "leaves": lambda: leaves({}),
    "leaves, cancel": lambda: leaves({"when_abandoned": "cancel"}),
    "leaves, run on": lambda: leaves({"when_abandoned": "run-on"}),
}.items():
    try:
        cases[name] = act()
    except Exception as error:  # whatever a client does wrong is a result
        cases[name] = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps({"version": version("openai"), "cases": cases}))
