"""The gateway understands: the four tests of the seed guide, and what hides in long requests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from chat import DONE, new_request_id, text_of
from cluster import DynamoCluster
from command_line import Answer, needs_curl, post
from conftest import wait_serving
from gateway import Gateway
from processes import wait_until
from understanding import HACK_PROMPT, SSN, SSN_PROMPT, by_subject_policy, filler, fresh

STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["unary", "streamed"])


def ask(
    gateway: Gateway,
    prompt: str,
    model: str,
    streamed: bool,
    *,
    request_id: str | None = None,
    **fields: Any,
) -> Answer:
    """One user message, by `curl`."""
    request = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 8,
        "stream": streamed,
        **fields,
    }
    headers = {"x-request-id": request_id or new_request_id("understood")}
    return post(f"{gateway.url}/v1/chat/completions", request, headers)


def content_and_reason(answer: Answer, streamed: bool) -> tuple[str, str]:
    """What the assistant says, and why it stops, in either form."""
    if not streamed:
        (choice,) = answer.json()["choices"]
        return choice["message"]["content"], choice["finish_reason"]
    events = answer.events()
    assert events[-1] == DONE
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    return text_of(events), events[-2]["choices"][0]["finish_reason"]


class Untouched:
    """Checks that a request reached neither a frontend nor a worker."""

    def __init__(self, dynamo: DynamoCluster, gateway: Gateway) -> None:
        self.dynamo, self.gateway = dynamo, gateway
        self.request_id = new_request_id("blocked")
        # What the tests before have sent is counted when it ends.
        inflight = "dynamo_frontend_inflight_requests"
        wait_until(lambda: dynamo.total(inflight) == 0, "no request is under way", 30)
        self._before = self._arrived()

    def check(self) -> None:
        line = self.gateway.logged(self.request_id)
        assert (line["attempts"], line["response_path"]) == (0, "blocked")
        assert self._arrived() == self._before
        assert self.dynamo.never_served(self.request_id)
        assert not any(frontend.arrivals(self.request_id) for frontend in self.dynamo.frontends)

    def _arrived(self) -> float:
        return self.dynamo.total("dynamo_frontend_requests_total")


@pytest.fixture(scope="module")
def by_subject(understood: DynamoCluster) -> Iterator[Gateway]:
    with Gateway(by_subject_policy(understood.addresses())) as gateway:
        wait_serving(gateway, "general", "math")
        yield gateway


@needs_curl
@STREAMED
def test_routed_by_category(by_subject: Gateway, understood: DynamoCluster, streamed: bool) -> None:
    request_id = new_request_id("category")
    answer = ask(by_subject, "What is 2+2?", "MoM", streamed, request_id=request_id)
    assert answer.status.startswith("HTTP/1.1 200"), answer
    assert answer.headers["x-vsr-response-path"] == "upstream"
    assert answer.headers["x-vsr-selected-category"] == "math"
    assert answer.headers["x-vsr-selected-decision"] == "math_decision"
    assert answer.headers["x-vsr-selected-model"] == "math"
    assert answer.headers["x-vsr-matched-domains"] == "math"
    assert answer.headers["x-vsr-injected-system-prompt"] == "true"
    assert 0.5 <= float(answer.headers["x-vsr-selected-confidence"]) <= 1
    text, reason = content_and_reason(answer, streamed)
    assert text and reason == "length"
    assert {worker.model for worker in understood.served_by(request_id)} == {"mock-math"}


@needs_curl
@pytest.mark.parametrize(
    ("category", "prompt", "model"),
    [
        ("history", "Which treaty ended the Thirty Years' War, and in which year?", "general"),
        ("law", "What must a plaintiff prove to win a negligence claim in tort law?", "general"),
        ("physics", "Why does a charged particle move in circles in a magnetic field?", "math"),
    ],
)
def test_other_categories(by_subject: Gateway, category: str, prompt: str, model: str) -> None:
    """Not everything is mathematics."""
    headers = ask(by_subject, prompt, "MoM", False).headers
    assert headers["x-vsr-selected-category"] == category
    assert headers["x-vsr-selected-decision"] == f"{category}_decision"
    assert headers["x-vsr-selected-model"] == model


@needs_curl
def test_a_named_model_is_not_routed(by_subject: Gateway) -> None:
    headers = ask(by_subject, "What is 2+2?", "general", False).headers
    assert headers["x-vsr-selected-model"] == "general"
    assert "x-vsr-selected-decision" not in headers


@needs_curl
@STREAMED
@pytest.mark.parametrize("model", ["general", "MoM"])
def test_personal_data_is_blocked(
    guarded: Gateway, understood: DynamoCluster, streamed: bool, model: str
) -> None:
    untouched = Untouched(understood, guarded)
    answer = ask(guarded, SSN_PROMPT, model, streamed, request_id=untouched.request_id)
    assert answer.status.startswith("HTTP/1.1 200"), answer
    assert answer.headers["x-vsr-pii-violation"] == "true"
    assert answer.headers["x-vsr-pii-types"] == "B-US_SSN"
    assert answer.headers["x-vsr-response-path"] == "blocked"
    assert "x-vsr-jailbreak-blocked" not in answer.headers
    text, reason = content_and_reason(answer, streamed)
    assert reason == "content_filter"
    assert "US_SSN" in text and SSN not in answer.body
    if not streamed:
        assert answer.json()["usage"]["total_tokens"] == 0
    untouched.check()
    assert SSN not in guarded.process.log(), "prompts are never logged"


@needs_curl
@STREAMED
def test_a_jailbreak_is_blocked(
    guarded: Gateway, understood: DynamoCluster, streamed: bool
) -> None:
    untouched = Untouched(understood, guarded)
    answer = ask(guarded, HACK_PROMPT, "general", streamed, request_id=untouched.request_id)
    assert answer.status.startswith("HTTP/1.1 200"), answer
    assert answer.headers["x-vsr-jailbreak-blocked"] == "true"
    assert answer.headers["x-vsr-jailbreak-type"] == "jailbreak"
    assert 0.5 < float(answer.headers["x-vsr-jailbreak-confidence"]) <= 1
    assert answer.headers["x-vsr-response-path"] == "blocked"
    assert "x-vsr-pii-violation" not in answer.headers
    assert content_and_reason(answer, streamed)[1] == "content_filter"
    untouched.check()


@needs_curl
@STREAMED
def test_a_harmless_prompt_passes_the_guards(guarded: Gateway, streamed: bool) -> None:
    answer = ask(guarded, "Name three rivers of France.", "general", streamed)
    assert answer.headers["x-vsr-response-path"] == "upstream"
    assert not [name for name in answer.headers if "pii" in name or "jailbreak" in name]
    text, reason = content_and_reason(answer, streamed)
    assert text and reason == "length"


@needs_curl
@STREAMED
def test_a_repeated_prompt_hits_the_cache(guarded: Gateway, streamed: bool) -> None:
    """The guards change nothing that Dynamo's KV cache would notice, and a long text is none of
    their business."""
    prompt = f"{uuid.uuid4().hex[:6]}. {filler(1500)}"
    options = {"stream_options": {"include_usage": True}} if streamed else {}

    def cached_share() -> float:
        answer = ask(guarded, prompt, "general", streamed, **options)
        usage = answer.events()[-2]["usage"] if streamed else answer.json()["usage"]
        return usage["prompt_tokens_details"]["cached_tokens"] / usage["prompt_tokens"]

    assert cached_share() < 0.3
    wait_until(lambda: cached_share() > 0.9, "a repeated prompt is served from the KV cache", 10)


@needs_curl
def test_one_number_in_a_long_prompt(guarded: Gateway, understood: DynamoCluster) -> None:
    """40,000 characters with one SSN in the middle."""
    half = filler(20_000)
    prompt = f"{half[: -len(SSN_PROMPT)]}{SSN_PROMPT}. {half}"
    assert len(prompt) >= 40_000
    untouched = Untouched(understood, guarded)
    answer = ask(guarded, prompt, "general", False, request_id=untouched.request_id)
    assert answer.headers["x-vsr-pii-types"] == "B-US_SSN", answer
    untouched.check()
    (finding,) = guarded.logged(untouched.request_id)["findings"]
    assert finding["label"] == "US_SSN"
    assert prompt[finding["span"]["start"] : finding["span"]["end"]] == SSN


@needs_curl
@pytest.mark.parametrize(
    ("result", "header"),
    [
        (f"Weather: sunny. {HACK_PROMPT}. Humidity: 40 %.", "x-vsr-jailbreak-blocked"),
        (f"Customer 17: {SSN_PROMPT}. Status: active.", "x-vsr-pii-violation"),
        ("Weather: sunny, 21 degrees. Wind from the west.", None),
    ],
    ids=["injection", "personal data", "harmless"],
)
def test_results_of_tools(
    guarded: Gateway, understood: DynamoCluster, result: str, header: str | None
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "What does it say?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]
    untouched = Untouched(understood, guarded)
    answer = ask(guarded, "", "general", False, messages=messages, request_id=untouched.request_id)
    if header is None:
        assert answer.headers["x-vsr-response-path"] == "upstream", answer
        return
    assert answer.headers[header] == "true", answer
    assert content_and_reason(answer, False)[1] == "content_filter"
    untouched.check()


def test_the_official_client_sees_a_completion(guarded: Gateway) -> None:
    with openai.OpenAI(base_url=f"{guarded.url}/v1", api_key="unused", max_retries=0) as client:
        messages = [{"role": "user", "content": fresh(SSN_PROMPT)}]
        answer = client.chat.completions.create(model="general", messages=messages)
        assert answer.object == "chat.completion" and answer.model == "general"
        assert answer.choices[0].finish_reason == "content_filter"
        assert answer.choices[0].message.role == "assistant"
        assert "US_SSN" in (answer.choices[0].message.content or "")
        assert answer.usage is not None and answer.usage.total_tokens == 0
        chunks = list(
            client.chat.completions.create(model="general", messages=messages, stream=True)
        )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "US_SSN" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "content_filter"
