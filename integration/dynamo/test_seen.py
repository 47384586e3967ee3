"""What the operator sees: access log and metrics, checked against Dynamo's own numbers."""

from __future__ import annotations

from chat import DONE, chat, new_request_id, stream
from cluster import DynamoCluster
from gateway import Gateway


def test_access_log_of_an_answer(gateway: Gateway, dynamo: DynamoCluster) -> None:
    request_id = new_request_id("logged")
    answer = chat(gateway.url, "What is 2+2?", headers={"x-request-id": request_id})
    usage = answer.json()["usage"]
    line = gateway.logged(request_id)
    assert line["method"] == "POST"
    assert line["path"] == "/v1/chat/completions"
    assert line["status"] == 200
    assert line["response_path"] == "upstream"
    assert line["stream"] is False
    assert line["requested_model"] == "MoM"
    assert line["decision"] == "math"
    assert line["cluster"] == "dynamo"
    assert line["upstream"] in dynamo.addresses()
    assert line["attempts"] == 1
    assert line["prompt_tokens"] == usage["prompt_tokens"]
    assert line["completion_tokens"] == usage["completion_tokens"]
    assert line["complete"] is True
    assert 0 < line["ttft_ms"] <= line["duration_ms"]


def test_access_log_of_a_stream(gateway: Gateway) -> None:
    request_id = new_request_id("logged")
    with stream(gateway.url, "Hello", headers={"x-request-id": request_id}, max_tokens=5) as answer:
        events = answer.rest()
    assert events[-1] == DONE
    line = gateway.logged(request_id)
    assert line["stream"] is True
    assert line["complete"] is True
    assert line["events"] >= 5
    assert 0 < line["ttft_ms"] < line["duration_ms"]


def test_access_log_of_an_error(gateway: Gateway) -> None:
    request_id = new_request_id("logged")
    chat(gateway.url, "Hello", "no-such-model", headers={"x-request-id": request_id})
    line = gateway.logged(request_id)
    assert (line["status"], line["code"]) == (404, "model_not_found")
    assert line["requested_model"] == "no-such-model"
    assert line["attempts"] == 0


def test_prompts_are_never_logged(gateway: Gateway) -> None:
    request_id = new_request_id("private")
    chat(gateway.url, "The integral of a purple giraffe", headers={"x-request-id": request_id})
    gateway.logged(request_id)
    assert "giraffe" not in gateway.process.log()


def test_metrics_count_requests_and_tokens(gateway: Gateway) -> None:
    def numbers() -> list[float]:
        metrics = gateway.metrics()
        return [
            metrics.total("commutator_requests_total", model="math", path="upstream", status="200"),
            metrics.total("commutator_decisions_total", decision="math"),
            metrics.total("commutator_tokens_total", model="math", kind="prompt"),
            metrics.total("commutator_tokens_total", model="math", kind="completion"),
            metrics.total("commutator_time_to_first_token_seconds_count", model="math"),
        ]

    before = numbers()
    request_id = new_request_id("counted")
    answer = chat(gateway.url, "What is 2+2?", headers={"x-request-id": request_id}, max_tokens=7)
    gateway.logged(request_id)
    gained = [late - early for early, late in zip(before, numbers(), strict=True)]
    # An answer that is no stream has no first token to time.
    assert gained == [1, 1, answer.json()["usage"]["prompt_tokens"], 7, 0]
