"""Chat requests over plain HTTP, and the events of a streamed answer."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

DONE = "[DONE]"
LONG = 3000
"""So many tokens take a mock worker about 18 s at its usual pace: plenty to break something in."""


def body(prompt: str, model: str = "MoM", **fields: Any) -> dict[str, Any]:
    """A chat request of one user message; four tokens unless `max_tokens` says otherwise."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 4,
        **fields,
    }


def chat(
    url: str,
    prompt: str,
    model: str = "MoM",
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    **fields: Any,
) -> httpx.Response:
    """One chat request, answered at once."""
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.post(
            f"{url}/v1/chat/completions", json=body(prompt, model, **fields), headers=headers
        )


class Stream:
    """A streamed answer that is being read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def read(self, count: int) -> list[dict[str, Any]]:
        """The next `count` events; fails when the stream ends before."""
        events: list[dict[str, Any]] = []
        for event in self.events():
            assert event != DONE, f"the stream was done after {len(events)} of {count} events"
            events.append(event)
            if len(events) == count:
                return events
        raise AssertionError(f"the stream broke off after {len(events)} of {count} events")

    def events(self) -> Iterator[Any]:
        """Every further event: decoded JSON, or `DONE`."""
        for line in self._lines:
            if line.startswith("data: "):
                data = line.removeprefix("data: ")
                yield DONE if data == DONE else json.loads(data)

    def rest(self) -> list[Any]:
        """Every further event until the server ends the response cleanly."""
        return list(self.events())


@contextlib.contextmanager
def stream(
    url: str,
    prompt: str,
    model: str = "MoM",
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    **fields: Any,
) -> Iterator[Stream]:
    """One streamed chat request; leaving the block early closes the connection."""
    request = body(prompt, model, **{"max_tokens": LONG, **fields, "stream": True})
    with (
        httpx.Client(trust_env=False, timeout=timeout) as client,
        client.stream(
            "POST", f"{url}/v1/chat/completions", json=request, headers=headers
        ) as response,
    ):
        yield Stream(response)


def text_of(events: list[Any]) -> str:
    """The text of a stream's first choice."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        if event != DONE
        for choice in event.get("choices", [])
    )


def new_request_id(what: str) -> str:
    """An `x-request-id` that can be found again in the workers' logs."""
    return f"{what}-{uuid.uuid4()}"


def assert_openai_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Checks status, form and code of an error answer, and returns the inner object."""
    response.read()
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"].startswith("application/json")
    answer = response.json()
    assert set(answer) == {"error"}, answer
    error = answer["error"]
    assert set(error) >= {"message", "type", "param", "code"}, error
    assert error["code"] == code, error
    assert error["message"] and isinstance(error["message"], str)
    return error
