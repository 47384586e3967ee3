"""The policy's choice of the model, seen from both sides: the client's and the workers'."""

from __future__ import annotations

import uuid

import httpx
import pytest

from chat import assert_openai_error, chat, new_request_id
from cluster import DynamoCluster, Frontend
from gateway import MATH_PROMPT, Gateway


def served_model(dynamo: DynamoCluster, request_id: str) -> str:
    """The one model whose worker saw the request."""
    (worker,) = dynamo.served_by(request_id)
    return worker.model


@pytest.mark.parametrize(
    ("prompt", "selected", "upstream"),
    [
        ("What is 2+2?", "math", "mock-math"),
        ("Solve the equation x = 3.", "math", "mock-math"),
        ("What is the capital of France?", "general", "mock-a"),
        ("Two plus two, and 2 + 2 with spaces.", "general", "mock-a"),
    ],
)
@pytest.mark.parametrize("name", ["MoM", "auto"])
def test_automatic_name(
    gateway: Gateway, dynamo: DynamoCluster, name: str, prompt: str, selected: str, upstream: str
) -> None:
    request_id = new_request_id("auto")
    answer = chat(gateway.url, prompt, name, headers={"x-request-id": request_id})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vsr-selected-model"] == selected
    assert answer.json()["model"] == upstream
    assert answer.json()["choices"][0]["message"]["role"] == "assistant"
    assert served_model(dynamo, request_id) == upstream


def test_concrete_name_is_kept(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """A named model stays, even where a keyword would have sent it elsewhere."""
    for name, upstream in (("general", "mock-a"), ("math", "mock-math")):
        request_id = new_request_id("named")
        answer = chat(gateway.url, "What is 2+2?", name, headers={"x-request-id": request_id})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-vsr-selected-model"] == name
        assert served_model(dynamo, request_id) == upstream


def test_unknown_model(gateway: Gateway, dynamo: DynamoCluster) -> None:
    request_id = new_request_id("unknown")
    answer = chat(gateway.url, "Hello", "no-such-model", headers={"x-request-id": request_id})
    assert_openai_error(answer, 404, "model_not_found")
    assert dynamo.never_served(request_id)


def test_upstream_name_means_the_model(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """A frontend's name for a model of the policy is understood: answers carry it."""
    request_id = new_request_id("upstream-name")
    answer = chat(gateway.url, "What is 2+2?", "mock-a", headers={"x-request-id": request_id})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vsr-selected-model"] == "general"
    assert served_model(dynamo, request_id) == "mock-a"


def test_headers_of_a_decision(gateway: Gateway) -> None:
    headers = chat(gateway.url, "What is 2+2?").headers
    assert headers["x-vsr-schema-version"] == "2"
    assert headers["x-vsr-response-path"] == "upstream"
    assert headers["x-vsr-selected-decision"] == "math"
    assert headers["x-vsr-selected-model"] == "math"
    assert headers["x-vsr-injected-system-prompt"] == "true"
    assert headers["x-vsr-matched-keywords"] == "math_words"
    assert 0.0 <= float(headers["x-vsr-selected-confidence"]) <= 1.0
    assert len(headers["x-vsr-selected-confidence"].split(".")[1]) == 4


def test_headers_of_the_default(gateway: Gateway) -> None:
    headers = chat(gateway.url, "What is the capital of France?").headers
    assert headers["x-vsr-schema-version"] == "2"
    assert headers["x-vsr-response-path"] == "upstream"
    assert headers["x-vsr-selected-model"] == "general"
    assert headers.get("x-vsr-injected-system-prompt", "false") == "false"
    assert "x-vsr-matched-keywords" not in headers
    assert "x-vsr-cache-hit" not in headers


def test_headers_of_an_error(gateway: Gateway) -> None:
    headers = chat(gateway.url, "Hello", "no-such-model").headers
    assert headers["x-vsr-response-path"] == "error"


def test_request_id_is_made_where_none_came(gateway: Gateway, dynamo: DynamoCluster) -> None:
    answer = chat(gateway.url, "Hello")
    request_id = answer.headers["x-request-id"]
    assert uuid.UUID(request_id).version == 7
    assert dynamo.served_by(request_id)


def test_request_id_of_the_client_is_kept(gateway: Gateway) -> None:
    request_id = new_request_id("mine")
    answer = chat(gateway.url, "Hello", headers={"x-request-id": request_id})
    assert answer.headers.get_list("x-request-id") == [request_id]


def test_system_prompt_reaches_the_model(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """The frontend counts exactly the tokens of the messages that the policy should have made."""
    prompt = "What is 2+2?"
    through = chat(gateway.url, prompt)
    messages = [
        {"role": "system", "content": MATH_PROMPT},
        {"role": "user", "content": prompt},
    ]
    direct = chat(dynamo.frontends[0].url, prompt, "mock-math", messages=messages)
    plain = chat(dynamo.frontends[0].url, prompt, "mock-math")
    assert direct.status_code == plain.status_code == 200
    tokens = through.json()["usage"]["prompt_tokens"]
    assert tokens == direct.json()["usage"]["prompt_tokens"]
    assert tokens > plain.json()["usage"]["prompt_tokens"]


def test_clients_cannot_steer_workers(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """Dynamo answers 400 to a pin on an unknown worker: 200 shows that the pin was removed."""
    pin = {"x-dynamo-worker-instance-id": "1"}
    assert chat(dynamo.frontends[0].url, "Hello", "mock-a", headers=pin).status_code == 400
    answer = chat(gateway.url, "Hello", headers=pin)
    assert answer.status_code == 200, answer.text

    nvext = {"backend_instance_id": 1}
    assert chat(dynamo.frontends[0].url, "Hello", "mock-a", nvext=nvext).status_code == 400
    answer = chat(gateway.url, "Hello", nvext=nvext)
    assert answer.status_code == 200, answer.text


def test_flat_errors_become_openai_errors(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """Dynamo refuses fields that it does not know, in a form that no OpenAI client reads."""
    direct = chat(dynamo.frontends[0].url, "Hello", "mock-a", no_such_field=1)
    assert direct.status_code == 400 and "error" not in direct.json()
    answer = chat(gateway.url, "Hello", no_such_field=1)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert "no_such_field" in error["message"]


def test_both_frontends_work(gateway: Gateway, dynamo: DynamoCluster) -> None:
    before = [_finished(frontend) for frontend in dynamo.frontends]
    for number in range(40):
        assert chat(gateway.url, f"Hello {number}", max_tokens=1).status_code == 200
    after = [_finished(frontend) for frontend in dynamo.frontends]
    gained = [late - early for early, late in zip(before, after, strict=True)]
    assert sum(gained) == 40, gained
    assert min(gained) >= 4, f"one frontend got next to nothing: {gained}"


def test_completions_pass_through(gateway: Gateway) -> None:
    request = {"model": "general", "prompt": "Once upon a time", "max_tokens": 4}
    answer = httpx.post(f"{gateway.url}/v1/completions", json=request, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["object"] == "text_completion"
    assert answer.json()["usage"]["completion_tokens"] == 4


def test_responses_pass_through(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """Another API than chat: only the model's name is changed, named events stay named."""
    request_id = new_request_id("responses")
    request = {"model": "math", "input": "What is 2+2?", "max_output_tokens": 4}
    answer = httpx.post(
        f"{gateway.url}/v1/responses",
        json=request,
        headers={"x-request-id": request_id},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["object"] == "response"
    (arrival,) = [line for one in dynamo.frontends for line in one.arrivals(request_id)]
    assert (arrival["endpoint"], arrival["model"]) == ("responses", "mock-math")

    streamed = httpx.post(
        f"{gateway.url}/v1/responses", json={**request, "stream": True}, timeout=30
    )
    events = [
        line.removeprefix("event: ")
        for line in streamed.text.splitlines()
        if line.startswith("event: ")
    ]
    assert events[0] == "response.created"
    assert "response.output_text.delta" in events


def test_trace_continues(gateway: Gateway, dynamo: DynamoCluster) -> None:
    """The client's trace goes on in Dynamo: frontend and worker log its trace id."""
    request_id = new_request_id("traced")
    trace = uuid.uuid4().hex
    headers = {"x-request-id": request_id, "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert chat(gateway.url, "Hello", headers=headers).status_code == 200
    (worker,) = dynamo.served_by(request_id)
    lines = [line for one in (*dynamo.frontends, worker) for line in one.arrivals(request_id)]
    assert len(lines) == 2
    assert {line["trace_id"] for line in lines} == {trace}


def test_models_are_listed(gateway: Gateway) -> None:
    listed = httpx.get(f"{gateway.url}/v1/models", timeout=10).json()
    assert listed["object"] == "list"
    assert {"general", "math", "MoM", "auto"} <= {model["id"] for model in listed["data"]}
    one = httpx.get(f"{gateway.url}/v1/models/general", timeout=10)
    assert one.status_code == 200 and one.json()["id"] == "general"
    unknown = httpx.get(f"{gateway.url}/v1/models/no-such-model", timeout=10)
    assert_openai_error(unknown, 404, "model_not_found")


def _finished(frontend: Frontend) -> float:
    return frontend.metrics().total("dynamo_frontend_requests_total", model="mock-a")
