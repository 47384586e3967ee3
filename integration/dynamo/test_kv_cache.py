"""KV-aware routing and disaggregated serving behind the gateway."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from chat import chat, new_request_id, stream
from cluster import DynamoCluster
from conftest import wait_serving
from gateway import Gateway, policy_for
from processes import wait_until


def long_prompt() -> str:
    """Some 500 tokens that no test has sent before."""
    return f"{uuid.uuid4()} " + "Tell me more about the weather in the mountains. " * 40


def cached_tokens(usage: dict) -> int:
    return usage["prompt_tokens_details"]["cached_tokens"]


# A cluster that lacks inotify instances is given its time before its tests skip.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def serving() -> Iterator[tuple[DynamoCluster, Gateway]]:
    """A frontend in kv mode, a prefill and a decode worker for each model, and a gateway in front of them.

    Such a frontend watches the discovery directory with 35 instances of inotify, and Linux gives a user 128 unless told
    otherwise: with the clusters that other tests share (77) and a second frontend there are too few, and the frontend
    then answers 503 for a model for as long as it lives. So there is one, and `conftest.py` has its tests run first.
    """
    with ExitStack() as stack:
        cluster = DynamoCluster(
            ["mock-a", "mock-math"], router_mode="kv", frontends=1, prefill=1, decode=1
        )
        try:
            stack.enter_context(cluster)
            gateway = stack.enter_context(Gateway(policy_for(*cluster.addresses())))
            wait_serving(gateway, "general", "math")
        except AssertionError:
            if cluster.lacked_watches:
                pytest.skip(
                    "this user's inotify instances are used up, and Dynamo cannot see its workers:"
                    " end what watches files, or raise fs.inotify.max_user_instances"
                )
            raise
        yield cluster, gateway


@pytest.fixture(scope="module")
def disaggregated(serving: tuple[DynamoCluster, Gateway]) -> DynamoCluster:
    """The cluster."""
    return serving[0]


@pytest.fixture(scope="module")
def in_front(serving: tuple[DynamoCluster, Gateway]) -> Gateway:
    """The gateway in front of it."""
    return serving[1]


def test_repeated_prompt_hits_the_cache(gateway: Gateway) -> None:
    prompt = long_prompt()
    first = chat(gateway.url, prompt).json()["usage"]
    assert cached_tokens(first) < 64, "only the template may have been cached"

    # Workers tell the frontends about their blocks by events, so the hit may be a moment late.
    def hit() -> bool:
        usage = chat(gateway.url, prompt).json()["usage"]
        return cached_tokens(usage) > usage["prompt_tokens"] / 2

    wait_until(hit, "a repeated prompt is served from the KV cache", 10)


def test_streamed_usage_tells_the_cache_hit(gateway: Gateway) -> None:
    prompt = long_prompt()
    chat(gateway.url, prompt)

    def hit() -> bool:
        options = {"include_usage": True}
        with stream(gateway.url, prompt, max_tokens=4, stream_options=options) as answer:
            *_, usage, _done = answer.rest()
        assert usage["choices"] == []
        return cached_tokens(usage["usage"]) > usage["usage"]["prompt_tokens"] / 2

    wait_until(hit, "a streamed answer reports the KV cache hit", 10)


def test_prefill_and_decode_workers_share_a_request(
    in_front: Gateway, disaggregated: DynamoCluster
) -> None:
    for prompt, model in (("What is 2+2?", "mock-math"), ("Hello there", "mock-a")):
        request_id = new_request_id("disaggregated")
        answer = chat(in_front.url, prompt, headers={"x-request-id": request_id})
        assert answer.status_code == 200, answer.text
        workers = disaggregated.served_by(request_id)
        assert {worker.model for worker in workers} == {model}
        assert {worker.role for worker in workers} == {"prefill", "decode"}


def test_disaggregated_prompt_hits_the_cache(in_front: Gateway) -> None:
    test_repeated_prompt_hits_the_cache(in_front)


def test_disaggregated_stream(in_front: Gateway) -> None:
    with stream(in_front.url, "What is 2+2?", max_tokens=20) as answer:
        events = answer.rest()
    assert events[-1] == "[DONE]"
    assert len(events) >= 20
