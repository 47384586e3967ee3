"""Reload and shutdown with real streams under way."""

from __future__ import annotations

import httpx

from chat import DONE, chat, stream
from cluster import DynamoCluster
from conftest import wait_serving
from gateway import Gateway, changed, policy_for
from processes import wait_until


def test_reload_swaps_the_policy(dynamo: DynamoCluster) -> None:
    """A new policy takes over between two requests; a broken one changes nothing."""
    policy = policy_for(*dynamo.addresses())
    with Gateway(policy) as gateway:
        wait_serving(gateway, "general", "math")
        assert _selected(gateway, "Tell me a poem") == "general"

        words = {"keywords": [{"name": "math_words", "any": ["poem"]}]}
        with stream(gateway.url, "Tell me a story", max_tokens=100) as running:
            running.read(3)
            assert gateway.reload(changed(policy, signals=words)).status_code == 200
            assert _selected(gateway, "Tell me a poem") == "math"
            assert _selected(gateway, "What is 2+2?") == "general"
            assert running.rest()[-1] == DONE, "a running stream keeps the policy it began with"

        answer = gateway.reload("version: 1\nclusters: [{nmae: dynamo}]\n")
        assert 400 <= answer.status_code < 500
        assert "nmae" in answer.text
        assert _selected(gateway, "Tell me a poem") == "math"
        assert "nmae" in httpx.get(f"{gateway.admin}/policy", timeout=10).text


def _selected(gateway: Gateway, prompt: str) -> str:
    answer = chat(gateway.url, prompt)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-vsr-selected-model"]


def test_hang_up_reloads(dynamo: DynamoCluster) -> None:
    """SIGHUP loads the file again; the process lives on."""
    policy = policy_for(*dynamo.addresses())
    with Gateway(policy) as gateway:
        wait_serving(gateway, "general", "math")
        words = {"keywords": [{"name": "math_words", "any": ["poem"]}]}
        gateway.write_policy(changed(policy, signals=words))
        gateway.process.hang_up()
        wait_until(lambda: _selected(gateway, "Tell me a poem") == "math", "the new policy decides")
        assert gateway.process.running()


def test_terminated_in_mid_stream(dynamo: DynamoCluster) -> None:
    """After SIGTERM a stream may end within the grace period, and then the process exits with 0."""
    with Gateway(policy_for(*dynamo.addresses()), {"shutdown": {"grace": "20s"}}) as gateway:
        wait_serving(gateway, "general")
        with stream(gateway.url, "Tell me a story", max_tokens=300) as answer:
            answer.read(5)
            gateway.process.terminate()
            wait_until(lambda: _closing(gateway), "the gateway takes no new requests")
            *_, last, done = answer.rest()
        assert done == DONE
        assert last["choices"][0]["finish_reason"] == "length"
        assert gateway.process.wait(30) == 0


def _closing(gateway: Gateway) -> bool:
    """Whether new clients are refused or sent away."""
    try:
        return httpx.get(f"{gateway.url}/health", timeout=5).status_code == 503
    except httpx.TransportError:
        return True
