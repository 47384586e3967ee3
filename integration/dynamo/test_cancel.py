"""A client that leaves frees its worker at once."""

from __future__ import annotations

import time

import httpx

from chat import LONG, body, new_request_id, stream
from cluster import DynamoCluster
from gateway import Gateway
from processes import wait_until


def test_cancelled_stream(gateway: Gateway, dynamo: DynamoCluster) -> None:
    before = _cancelled(dynamo)
    request_id = new_request_id("cancelled")
    headers = {"x-request-id": request_id}
    with stream(gateway.url, "Tell me a very long story", headers=headers) as answer:
        answer.read(3)
        assert _running(dynamo) >= 1
    _wait_until_stopped(dynamo, before)
    line = gateway.logged(request_id)
    assert (line["status"], line["complete"]) == (200, False)


def test_cancelled_before_the_answer(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """A plain request ends with its client, too: nothing has been answered yet."""
    before = _cancelled(dynamo)
    request_id = new_request_id("impatient")
    with httpx.Client(trust_env=False, timeout=httpx.Timeout(10, read=0.5)) as client:
        try:
            request = body("Tell me a very long story", max_tokens=LONG)
            headers = {"x-request-id": request_id}
            answer = client.post(
                f"{gateway.url}/v1/chat/completions", json=request, headers=headers
            )
            raise AssertionError(f"answered within half a second: {answer.text[:200]}")
        except httpx.ReadTimeout:
            pass
    _wait_until_stopped(dynamo, before)
    line = gateway.logged(request_id)
    assert (line["status"], line["complete"]) == (499, False)


def _wait_until_stopped(dynamo: DynamoCluster, before: float) -> None:
    """The whole answer would take some 18 s: the worker must stop long before."""
    left = time.monotonic()
    wait_until(lambda: _running(dynamo) == 0, "no request is running any more", 5)
    print(f"stopped {time.monotonic() - left:.3f} s after the client left")
    wait_until(lambda: _cancelled(dynamo) > before, "Dynamo counts a cancelled request", 5)


def _running(dynamo: DynamoCluster) -> float:
    return dynamo.total("dynamo_frontend_inflight_requests", model="mock-a")


def _cancelled(dynamo: DynamoCluster) -> float:
    return dynamo.total("dynamo_frontend_requests_total", error_type="cancelled")
