"""Endpoints of one cluster that do not serve the same models."""

from __future__ import annotations

from chat import chat, new_request_id
from cluster import DynamoCluster
from conftest import wait_serving
from gateway import Gateway, policy_for


def test_requests_go_where_the_model_is() -> None:
    """Two deployments that know nothing of each other, as endpoints of one cluster."""
    with (
        DynamoCluster(["mock-a"], frontends=1) as left,
        DynamoCluster(["mock-math"], frontends=1) as right,
        Gateway(policy_for(*left.addresses(), *right.addresses())) as gateway,
    ):
        wait_serving(gateway, "general", "math")
        asked = {cluster: _asked(cluster) for cluster in (left, right)}
        for prompt, home in (("Hello", left), ("What is 2+2?", right)):
            for number in range(20):
                request_id = new_request_id("partial")
                headers = {"x-request-id": request_id}
                answer = chat(gateway.url, f"{prompt} {number}", headers=headers, max_tokens=1)
                assert answer.status_code == 200, answer.text
                assert home.served_by(request_id)
        # Not one was tried on the wrong side first: each frontend saw exactly its own.
        for cluster in (left, right):
            assert _asked(cluster) - asked[cluster] == 20


def _asked(cluster: DynamoCluster) -> float:
    """Chat requests that reached the frontend, those for unknown models included."""
    return cluster.total("dynamo_frontend_requests_total", endpoint="chat_completions")
