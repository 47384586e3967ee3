"""Reload and shutdown with real streams under way."""

from __future__ import annotations

import httpx
import pytest

from chat import DONE, chat, new_request_id, stream
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


@pytest.mark.parametrize("by", ["signal", "file"])
def test_reload_without_the_admin_listener(dynamo: DynamoCluster, by: str) -> None:
    """SIGHUP loads the file again, and so does a change of the file where it is watched."""
    policy = policy_for(*dynamo.addresses())
    with Gateway(policy, {"reload": {"watch": by == "file"}}) as gateway:
        wait_serving(gateway, "general", "math")
        words = {"keywords": [{"name": "math_words", "any": ["poem"]}]}
        gateway.write_policy(changed(policy, signals=words))
        if by == "signal":
            assert _selected(gateway, "Tell me a poem") == "general"
            gateway.process.hang_up()
        wait_until(lambda: _selected(gateway, "Tell me a poem") == "math", "the new policy decides")
        assert gateway.process.running()


def test_operator_drains_a_frontend(dynamo: DynamoCluster) -> None:
    """A drained frontend keeps its stream and gets nothing new, until it is wanted again."""
    with Gateway(policy_for(*dynamo.addresses())) as gateway:
        wait_serving(gateway, "general", "math")
        request_id = new_request_id("drained")
        headers = {"x-request-id": request_id}
        with stream(gateway.url, "Tell me a story", headers=headers, max_tokens=300) as answer:
            answer.read(5)
            (busy,) = [one for one in dynamo.frontends if one.arrivals(request_id)]
            where = {"cluster": "dynamo", "endpoint": busy.address}
            assert httpx.post(f"{gateway.admin}/drain", params=where).status_code == 200
            asked = [_upstream(gateway) for _ in range(10)]
            assert busy.address not in asked
            assert answer.rest()[-1] == DONE
        assert httpx.post(f"{gateway.admin}/undrain", params=where).status_code == 200
        wait_until(lambda: _upstream(gateway) == busy.address, "the frontend is asked again")


def _upstream(gateway: Gateway) -> str:
    """The frontend that answers one request, by the access log."""
    request_id = new_request_id("where")
    answer = chat(gateway.url, "Hello", headers={"x-request-id": request_id}, max_tokens=1)
    assert answer.status_code == 200, answer.text
    return gateway.logged(request_id)["upstream"]


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
