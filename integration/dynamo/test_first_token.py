"""Time to the first token on a kept connection, through the gateway and directly.

Dynamo's sockets lack TCP_NODELAY: directly, the first token waits for the client's delayed
acknowledgement of the headers (40 ms). The gateway acknowledges at once, so it should be faster
than no gateway at all. That is printed; only a gross slowdown fails.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time

import pytest

from chat import body
from cluster import DynamoCluster
from gateway import Gateway

ROUNDS = 25


class Kept:
    """One kept connection, over which streams are read one after the other."""

    def __init__(self, address: str, model: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._model = model

    def milliseconds_to_first_token(self, prompt: str) -> float:
        """Sends a request, reads the whole stream, and returns when its first event came."""
        request = json.dumps(body(prompt, self._model, max_tokens=4, stream=True))
        began = time.perf_counter()
        self._connection.request(
            "POST", "/v1/chat/completions", request, {"content-type": "application/json"}
        )
        answer = self._connection.getresponse()
        line = answer.readline()
        taken = (time.perf_counter() - began) * 1000
        assert answer.status == 200 and line.startswith(b"data: {"), (answer.status, line)
        assert b"[DONE]" in answer.read()
        return taken


def test_time_to_first_token(
    gateway: Gateway, dynamo: DynamoCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    direct = Kept(dynamo.frontends[0].address, "mock-a")
    through = Kept(gateway.url.removeprefix("http://"), "general")
    for warm_up in range(3):
        direct.milliseconds_to_first_token(f"warm up {warm_up}")
        through.milliseconds_to_first_token(f"warm up {warm_up}")
    ours, theirs = [], []
    for number in range(ROUNDS):
        theirs.append(direct.milliseconds_to_first_token(f"Hello {number}"))
        ours.append(through.milliseconds_to_first_token(f"Hello {number}"))
    with capsys.disabled():
        print(
            f"\ntime to first token, median of {ROUNDS} interleaved pairs: "
            f"direct {statistics.median(theirs):.1f} ms, "
            f"through the gateway {statistics.median(ours):.1f} ms, "
            f"ratio {statistics.median(ours) / statistics.median(theirs):.2f}"
        )
    assert statistics.median(ours) <= statistics.median(theirs) + 20
