"""A new policy takes over between two requests; a broken one changes nothing."""

from __future__ import annotations

import httpx

from chat import DONE, chat, stream
from cluster import DynamoCluster
from conftest import wait_serving
from gateway import Gateway, changed, policy_for


def test_reload_swaps_the_policy(dynamo: DynamoCluster) -> None:
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
