"""Workers that die, freeze, overload or were never there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest

from chat import DONE, assert_openai_error, chat, stream
from cluster import DynamoCluster, Worker
from conftest import wait_serving
from gateway import STREAM_ERRORS, Gateway, policy_for
from processes import wait_until


@pytest.fixture
def cluster() -> Iterator[DynamoCluster]:
    """Two frontends and one worker a model, to be broken."""
    with DynamoCluster(["mock-a", "mock-math"]) as cluster:
        yield cluster


def worker_of(cluster: DynamoCluster, model: str) -> Worker:
    (worker,) = [worker for worker in cluster.workers if worker.model == model]
    return worker


def test_killed_in_mid_stream(cluster: DynamoCluster) -> None:
    """Dynamo answers 200 and hides the error among the events: it is passed on and counted."""
    with Gateway(policy_for(*cluster.addresses())) as gateway:
        wait_serving(gateway, "general")
        before = gateway.metrics().total(STREAM_ERRORS)
        with stream(gateway.url, "Tell me a long story") as answer:
            answer.read(5)
            worker_of(cluster, "mock-a").kill()
            *_, error, done = answer.rest()
        assert done == DONE
        assert set(error["error"]) >= {"message", "type", "code"}
        wait_until(
            lambda: gateway.metrics().total(STREAM_ERRORS) > before, f"{STREAM_ERRORS} counts it", 5
        )

        # With its only worker gone the model is gone; the other one is still served.
        def gone() -> bool:
            answer = chat(gateway.url, "Hello")
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"].isdigit()
            return answer.json()["error"]["code"] == "no_upstream"

        wait_until(gone, "a model without workers is no_upstream", 30)
        assert chat(gateway.url, "What is 2+2?").status_code == 200


def test_frozen_before_the_first_byte(cluster: DynamoCluster) -> None:
    """The gateway's own timeout answers; Dynamo's would take five seconds."""
    with Gateway(policy_for(*cluster.addresses(), first_byte="1s")) as gateway:
        wait_serving(gateway, "general", "math")
        frozen = worker_of(cluster, "mock-a")
        frozen.freeze()
        began = time.monotonic()
        assert_openai_error(chat(gateway.url, "Hello"), 504, "upstream_timeout")
        assert time.monotonic() - began < 4.5
        assert chat(gateway.url, "What is 2+2?").status_code == 200
        frozen.thaw()
        wait_until(
            lambda: chat(gateway.url, "Hello").status_code == 200, "the thawed worker answers", 30
        )


def test_frozen_in_mid_stream(cluster: DynamoCluster) -> None:
    """By default Dynamo stays silent for ever; the gateway's idle timeout ends the stream."""
    with Gateway(policy_for(*cluster.addresses(), idle="1s")) as gateway:
        wait_serving(gateway, "general")
        before = gateway.metrics().total(STREAM_ERRORS)
        with stream(gateway.url, "Tell me a long story") as answer:
            answer.read(5)
            worker_of(cluster, "mock-a").freeze()
            *_, error, done = answer.rest()
        assert done == DONE
        assert error["error"]["code"] == "upstream_timeout"
        wait_until(
            lambda: gateway.metrics().total(STREAM_ERRORS) > before, f"{STREAM_ERRORS} counts it", 5
        )


def test_no_workers_at_all() -> None:
    """Dynamo says 404 with an empty body; the client is told what is wrong and when to retry."""
    with (
        DynamoCluster(["mock-a", "mock-math"], idle=True) as cluster,
        Gateway(policy_for(*cluster.addresses()), wait="livez") as gateway,
    ):
        direct = chat(cluster.frontends[0].url, "Hello", "mock-a")
        assert (direct.status_code, direct.text) == (404, "")

        answer = chat(gateway.url, "Hello")
        assert_openai_error(answer, 503, "no_upstream")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["x-vsr-response-path"] == "error"
        assert httpx.get(f"{gateway.url}/health", timeout=10).status_code == 503
        assert httpx.get(f"{gateway.url}/live", timeout=10).status_code == 200

        cluster.start_workers()
        wait_serving(gateway, "general", "math")
        assert httpx.get(f"{gateway.url}/health", timeout=10).status_code == 200


def test_overloaded_everywhere() -> None:
    """All workers over the busy threshold is Dynamo's own status 529, without retry-after."""
    with (
        DynamoCluster(["mock-a", "mock-math"], router_mode="kv", blocks=256) as cluster,
        Gateway(policy_for(*cluster.addresses())) as gateway,
    ):
        wait_serving(gateway, "general", "math")
        for frontend in cluster.frontends:
            thresholds = {
                "model": "mock-a",
                "active_decode_blocks_threshold": 0.05,
                "active_prefill_tokens_threshold": 100,
            }
            httpx.post(f"{frontend.url}/busy_threshold", json=thresholds, timeout=10)
        long = "Once upon a time there was a busy worker. " * 100
        with contextlib.ExitStack() as busy:
            for frontend in cluster.frontends:
                # The second may be refused at once: the first one's load is known to both.
                busy.enter_context(stream(frontend.url, long, "mock-a"))
            for frontend in cluster.frontends:
                wait_until(
                    lambda: chat(frontend.url, "Hello", "mock-a").status_code == 529,
                    f"{frontend.name} is overloaded",
                )
            answer = chat(gateway.url, "Hello")
            assert_openai_error(answer, 503, "upstream_overloaded")
            assert int(answer.headers["retry-after"]) >= 1
            assert chat(gateway.url, "What is 2+2?").status_code == 200
        wait_until(lambda: chat(gateway.url, "Hello").status_code == 200, "the load is gone", 30)
