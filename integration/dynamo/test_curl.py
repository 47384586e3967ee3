"""The command lines that a newcomer types first."""

from __future__ import annotations

import json

from command_line import Answer, needs_curl, post
from gateway import Gateway

pytestmark = needs_curl


def ask(gateway: Gateway, **fields: object) -> Answer:
    question = [{"role": "user", "content": "What is 2+2?"}]
    request = {"model": "MoM", "messages": question, "max_tokens": 16, **fields}
    return post(f"{gateway.url}/v1/chat/completions", request)


def test_two_plus_two(gateway: Gateway) -> None:
    status, headers, answer = ask(gateway)
    assert status.startswith("HTTP/1.1 200"), status
    assert headers["x-vsr-selected-decision"] == "math"
    assert headers["x-vsr-selected-model"] == "math"
    assert json.loads(answer)["choices"][0]["message"]["content"]


def test_two_plus_two_streamed(gateway: Gateway) -> None:
    status, headers, answer = ask(gateway, stream=True)
    assert status.startswith("HTTP/1.1 200"), status
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-vsr-selected-model"] == "math"
    events = [line for line in answer.splitlines() if line]
    assert all(line.startswith("data: ") for line in events), events
    assert events[-1] == "data: [DONE]"


def test_asked_twice(gateway: Gateway) -> None:
    """The second time the answer's usage shows Dynamo's KV cache at work."""
    question = "What is 2+2? " + "Think about it step by step, and then once more. " * 30
    messages = [{"role": "user", "content": question}]
    cached = []
    for _ in range(3):
        _, _, answer = ask(gateway, messages=messages)
        cached.append(json.loads(answer)["usage"]["prompt_tokens_details"]["cached_tokens"])
    assert cached[0] < cached[-1], cached
