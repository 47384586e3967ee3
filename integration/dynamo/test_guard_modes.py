"""Guards beside Dynamo's work, redaction there and back, and guards on every API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat import DONE, LONG, body, chat, new_request_id, stream, text_of
from cluster import DynamoCluster, Worker
from conftest import wait_serving
from echo_worker import seen
from gateway import Gateway
from processes import wait_until
from understanding import HACK_PROMPT, SSN, SSN_PROMPT, filler, fresh, guarded_policy

WASTED = "commutator_guard_wasted_upstream_total"
MAIL = "jane.roe@example.org"


@pytest.fixture(scope="module")
def overlapping(understood: DynamoCluster) -> Iterator[Gateway]:
    """Both guards think while Dynamo works. Names of persons are up to the model, numbers to rules."""
    beside = {"mode": "overlap"}
    pii = {**beside, "deny": ["PERSON", "US_SSN"]}
    policy = guarded_policy(understood.addresses(), {"pii": pii, "jailbreak": beside})
    with Gateway(policy) as gateway:
        wait_serving(gateway, "general")
        yield gateway


@pytest.fixture(scope="module")
def redacting(understood: DynamoCluster) -> Iterator[Gateway]:
    """Personal data is replaced by placeholders, and put back into answers."""
    policy = guarded_policy(understood.addresses(), {"pii": {"action": "redact"}})
    with Gateway(policy) as gateway:
        wait_serving(gateway, "general", "echo")
        yield gateway


def worker_of(dynamo: DynamoCluster, model: str) -> Worker:
    (worker,) = (worker for worker in dynamo.workers if worker.model == model)
    return worker


@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "streamed"])
@pytest.mark.parametrize("guard", ["pii", "jailbreak"])
def test_overlap_stops_the_frontend(
    overlapping: Gateway, understood: DynamoCluster, guard: str, streamed: bool
) -> None:
    """The client gets nothing of the answer that the worker has begun, and the worker is freed."""
    trouble = {"pii": "My name is Margaret Johnson", "jailbreak": HACK_PROMPT}[guard]
    # Long enough that Dynamo has the request before the guards have made up their minds.
    prompt = fresh(f"{filler(3000)} {trouble}.")
    request_id = new_request_id("overlap")
    cancelled, wasted = _cancelled(understood), overlapping.metrics().total(WASTED)
    answer = chat(
        overlapping.url,
        prompt,
        "general",
        headers={"x-request-id": request_id},
        timeout=120,
        max_tokens=LONG,
        stream=streamed,
    )
    assert answer.status_code == 200
    assert answer.headers["x-vsr-response-path"] == "blocked"
    header = {"pii": "x-vsr-pii-violation", "jailbreak": "x-vsr-jailbreak-blocked"}[guard]
    assert answer.headers[header] == "true"
    if streamed:
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == DONE
        assert json.loads(lines[-2])["choices"][0]["finish_reason"] == "content_filter"
        assert len(lines) < 10, "nothing of the worker's answer"
    else:
        assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    understood.served_by(request_id)
    # The worker would go on for some 18 s.
    running = "dynamo_frontend_inflight_requests"
    wait_until(lambda: understood.total(running, model="mock-a") == 0, "the worker is free", 8)
    wait_until(lambda: _cancelled(understood) > cancelled, "Dynamo counts a cancellation", 5)
    line = overlapping.logged(request_id)
    assert (line["attempts"], line["response_path"]) == (1, "blocked")
    assert any(verdict["overlapped"] for verdict in line["verdicts"])
    assert overlapping.metrics().total(WASTED) == wasted + 1
    assert overlapping.metrics().total(WASTED, guard=guard) >= 1


def test_overlap_with_a_rule_that_knows_at_once(
    overlapping: Gateway, understood: DynamoCluster
) -> None:
    """However far the request has come, nothing of an answer reaches the client."""
    request_id = new_request_id("overlap")
    answer = chat(
        overlapping.url,
        fresh(SSN_PROMPT),
        "general",
        headers={"x-request-id": request_id},
        max_tokens=LONG,
    )
    assert answer.headers["x-vsr-response-path"] == "blocked"
    assert answer.headers["x-vsr-pii-types"] == "B-US_SSN"
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    running = "dynamo_frontend_inflight_requests"
    wait_until(lambda: understood.total(running, model="mock-a") == 0, "the worker is free", 8)
    assert overlapping.logged(request_id)["response_path"] == "blocked"


def test_overlap_lets_a_harmless_stream_through(
    overlapping: Gateway, understood: DynamoCluster
) -> None:
    request_id = new_request_id("overlap")
    wasted = overlapping.metrics().total(WASTED)
    headers = {"x-request-id": request_id}
    prompt = fresh("Name three rivers of France.")
    with stream(overlapping.url, prompt, "general", headers=headers, max_tokens=12) as answer:
        assert answer.response.headers["x-vsr-response-path"] == "upstream"
        events = answer.rest()
    assert events[-1] == DONE
    assert len(events) >= 12 and text_of(events)
    understood.served_by(request_id)
    line = overlapping.logged(request_id)
    assert line["complete"] is True
    assert {verdict["guard"] for verdict in line["verdicts"]} == {"pii", "jailbreak"}
    assert {verdict["outcome"] for verdict in line["verdicts"]} == {"clean"}
    assert overlapping.metrics().total(WASTED) == wasted


@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "streamed"])
def test_redaction_there_and_back(
    redacting: Gateway, understood: DynamoCluster, streamed: bool
) -> None:
    """The worker reads placeholders; its answer, which repeats them, says what the client wrote."""
    prompt = fresh(f"{SSN_PROMPT}, write to {MAIL}. Again: {SSN}.")
    before = len(seen(worker_of(understood, "echo").log()))
    if streamed:
        with stream(redacting.url, prompt, "echo", max_tokens=400) as answer:
            headers, events = answer.response.headers, answer.rest()
        assert events[-1] == DONE
        text = text_of(events)
    else:
        response = chat(redacting.url, prompt, "echo", max_tokens=400)
        headers = response.headers
        text = response.json()["choices"][0]["message"]["content"]
    (reached,) = seen(worker_of(understood, "echo").log())[before:]
    assert SSN not in reached and MAIL not in reached
    assert "My SSN is <US_SSN_1>, write to <EMAIL_ADDRESS_1>. Again: <US_SSN_1>." in reached
    assert headers["x-vsr-response-path"] == "upstream"
    assert headers["x-vsr-pii-redacted"] == "B-US_SSN,B-EMAIL_ADDRESS"
    assert prompt in text, "everything is as the client wrote it"
    assert "_1>" not in text
    assert SSN not in redacting.process.log()


def test_what_is_redacted_is_what_dynamo_caches(
    redacting: Gateway, understood: DynamoCluster
) -> None:
    """To Dynamo the redacted prompt and the same text written out are one: the same blocks."""
    prompt = fresh(f"{SSN_PROMPT}. {filler(1200)}")

    def cached(url: str, text: str, model: str) -> float:
        usage = chat(url, text, model).json()["usage"]
        return usage["prompt_tokens_details"]["cached_tokens"] / usage["prompt_tokens"]

    # Workers tell the frontend about their blocks by events, which may come a moment late.
    wait_until(lambda: cached(redacting.url, prompt, "general") > 0.9, "Dynamo has the blocks", 10)
    direct = understood.frontends[0].url
    assert cached(direct, prompt.replace(SSN, "<US_SSN_1>"), "mock-a") > 0.9
    assert cached(direct, prompt, "mock-a") < 0.3


def apis(text: str) -> dict[str, dict[str, Any]]:
    """A request with `text` for every API that Dynamo serves."""
    return {
        "/v1/chat/completions": body(text, "echo", max_tokens=100),
        "/v1/completions": {"model": "echo", "prompt": text, "max_tokens": 100},
        "/v1/responses": {"model": "echo", "input": text, "max_output_tokens": 100},
        "/v1/messages": {
            "model": "echo",
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 100,
        },
        "/v1/embeddings": {"model": "embed", "input": ["Hello", text]},
    }


PATHS = list(apis(""))


def post(gateway: Gateway, path: str, request: dict[str, Any], request_id: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.post(
            f"{gateway.url}{path}", json=request, headers={"x-request-id": request_id}
        )


@pytest.mark.parametrize("path", PATHS)
def test_blocked_on_every_api(guarded: Gateway, understood: DynamoCluster, path: str) -> None:
    """Each API says it in its own way; none lets the request reach a worker."""
    request_id = new_request_id("blocked")
    answer = post(guarded, path, apis(SSN_PROMPT)[path], request_id)
    assert answer.headers["x-vsr-pii-types"] == "B-US_SSN", answer.text
    assert answer.headers["x-vsr-response-path"] == "blocked"
    said = answer.json()
    if path == "/v1/embeddings":
        # There is no vector that says no.
        assert (answer.status_code, said["error"]["code"]) == (403, "content_filter")
    else:
        assert answer.status_code == 200
        ends = {
            "/v1/chat/completions": lambda: said["choices"][0]["finish_reason"],
            "/v1/completions": lambda: said["choices"][0]["finish_reason"],
            "/v1/responses": lambda: said["incomplete_details"]["reason"],
            "/v1/messages": lambda: said["stop_reason"],
        }
        assert ends[path]() == ("refusal" if path == "/v1/messages" else "content_filter")
    assert guarded.logged(request_id)["attempts"] == 0
    assert understood.never_served(request_id)


@pytest.mark.parametrize("path", PATHS)
def test_harmless_on_every_api(guarded: Gateway, understood: DynamoCluster, path: str) -> None:
    """What is harmless reaches the worker as it is."""
    prompt = fresh("Name three rivers of France.")
    answer = post(guarded, path, apis(prompt)[path], new_request_id("harmless"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vsr-response-path"] == "upstream"
    model = "embed" if path == "/v1/embeddings" else "echo"
    assert prompt in seen(worker_of(understood, model).log())[-1]


@pytest.mark.parametrize("path", PATHS)
def test_redacted_on_every_api(redacting: Gateway, understood: DynamoCluster, path: str) -> None:
    prompt = fresh(SSN_PROMPT)
    answer = post(redacting, path, apis(prompt)[path], new_request_id("redacted"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vsr-pii-redacted"] == "B-US_SSN"
    model = "embed" if path == "/v1/embeddings" else "echo"
    reached = seen(worker_of(understood, model).log())[-1]
    assert prompt.replace(SSN, "<US_SSN_1>") in reached
    if model == "echo":
        assert prompt in json.dumps(answer.json()), "the answer says what the client wrote"


def _cancelled(dynamo: DynamoCluster) -> float:
    """Rises with a cancellation: now and then one of Dynamo's counters misses a plain request's."""
    return sum(
        (
            dynamo.total("dynamo_frontend_requests_total", error_type="cancelled"),
            dynamo.total("dynamo_frontend_model_cancellation_total"),
            dynamo.total("dynamo_frontend_disconnected_clients"),
        )
    )
