"""The PyPI package openai, streaming a chat completion: openai_reader.py BASE WAY…"""

import json
import sys
from importlib.metadata import version

from openai import OpenAI


def ask(base_url):
    client = OpenAI(api_key="none", base_url=base_url, max_retries=0, timeout=20)
    stream = client.chat.completions.create(
        model="none", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    text = ""
    for chunk in stream:
        text += chunk.choices[0].delta.content or ""
    return {"text": text}


cases = {}
for way in sys.argv[2:]:
    try:
        cases[way] = ask(f"{sys.argv[1]}/{way}")
    except Exception as error:  # any failure of a client is a result
        cases[way] = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps({"version": version("openai"), "cases": cases}))
