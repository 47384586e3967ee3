"""Frontends that are killed, drained and restarted while clients are being served."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chat import DONE, stream
from cluster import DynamoCluster, Frontend
from conftest import wait_serving
from gateway import RETRIES, STREAM_ERRORS, Gateway, policy_for
from load import load
from processes import wait_until


@pytest.fixture
def pair() -> Iterator[tuple[DynamoCluster, Gateway]]:
    """Two frontends of its own for each test, with a gateway in front."""
    with (
        DynamoCluster(["mock-a", "mock-math"]) as cluster,
        Gateway(policy_for(*cluster.addresses())) as gateway,
    ):
        wait_serving(gateway, "general", "math")
        yield cluster, gateway


def test_killed_in_mid_stream(pair: tuple[DynamoCluster, Gateway]) -> None:
    """The client is told, with an event that every client library turns into an exception."""
    cluster, gateway = pair
    before = gateway.metrics().total(STREAM_ERRORS)
    with stream(gateway.url, "Tell me a long story") as answer:
        answer.read(5)
        (frontend,) = [one for one in cluster.frontends if _streaming(one)]
        frontend.kill()
        *_, error, done = answer.rest()
    assert done == DONE
    assert set(error) == {"error"}
    assert error["error"]["code"] == "upstream_disconnected"
    assert error["error"]["message"]
    wait_until(
        lambda: gateway.metrics().total(STREAM_ERRORS) > before, f"{STREAM_ERRORS} counts it", 5
    )


def test_killed_under_load(pair: tuple[DynamoCluster, Gateway]) -> None:
    """Not one plain request fails: what the dead frontend had is asked again at the other one."""
    cluster, gateway = pair
    victim = cluster.frontends[0]
    before = gateway.metrics().total(RETRIES)
    with load(gateway.url) as running:
        running.wait_for(80)
        victim.kill()
        running.wait_for(200)
    assert running.failures == [], failed(gateway)
    assert gateway.metrics().total(RETRIES) > before
    assert any(line["attempts"] == 2 for line in gateway.access_log())

    victim.start()
    cluster.wait_ready()
    with load(gateway.url) as running:
        wait_until(lambda: _finished(victim) > 0, "the restarted frontend gets requests again", 30)
    assert running.failures == [], failed(gateway)


def test_drained_under_load(pair: tuple[DynamoCluster, Gateway]) -> None:
    """After SIGTERM a frontend answers 503 to everything, and then refuses: nobody notices."""
    cluster, gateway = pair
    leaving = cluster.frontends[1]
    with load(gateway.url) as running:
        running.wait_for(80)
        leaving.terminate()
        wait_until(lambda: not leaving.running(), "the drained frontend exits", 30)
        running.wait_for(80)
    assert running.failures == [], failed(gateway)


def test_stream_outlives_the_drain(pair: tuple[DynamoCluster, Gateway]) -> None:
    """A draining frontend lets its streams end, and so does the gateway."""
    cluster, gateway = pair
    with stream(gateway.url, "Tell me a story", max_tokens=300) as answer:
        answer.read(5)
        (frontend,) = [one for one in cluster.frontends if _streaming(one)]
        frontend.terminate()
        *_, last, done = answer.rest()
    assert done == DONE
    assert last["choices"][0]["finish_reason"] == "length"


def failed(gateway: Gateway) -> str:
    """The access-log lines of requests that failed, to show why."""
    lines = [line for line in gateway.access_log() if line["status"] != 200]
    return "\n".join(json.dumps(line) for line in lines)


def _streaming(frontend: Frontend) -> bool:
    return frontend.metrics().total("dynamo_frontend_inflight_requests") > 0


def _finished(frontend: Frontend) -> float:
    return frontend.metrics().total("dynamo_frontend_requests_total", status="success")
