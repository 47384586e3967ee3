"""`curl`, as a newcomer types it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from chat import DONE

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="SKIP: curl is not installed")


class Answer(NamedTuple):
    """What `curl -i` printed."""

    status: str
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        """The body of an answer that is no stream."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The events of a stream: decoded JSON, or `DONE`."""
        data = [line[6:] for line in self.body.splitlines() if line.startswith("data: ")]
        return [DONE if one == DONE else json.loads(one) for one in data]


def curl(*words: str) -> Answer:
    """Runs `curl -i`."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "-i", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    head, _, body = done.stdout.partition("\n\n")
    status, *lines = head.splitlines()
    headers = (line.split(": ", 1) for line in lines)
    return Answer(status, {name.lower(): value for name, value in headers}, body)


def post(url: str, request: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """Posts a JSON body with `curl`."""
    given = {"content-type": "application/json", **(headers or {})}
    words = [word for name, value in given.items() for word in ("-H", f"{name}: {value}")]
    return curl(url, *words, "-d", json.dumps(request))
