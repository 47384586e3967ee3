"""Guards on what the model says, cut into Dynamo's own events.

The model is the `echo` worker, and nothing guards the requests: what a prompt says, the answer
says.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat import DONE, chat, stream, text_of
from cluster import DynamoCluster
from conftest import wait_serving
from gateway import Gateway
from understanding import PATIENCE, SSN, SSN_PROMPT, fresh, guarded_policy

STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["unary", "streamed"])
STOP_WORD = "bluebird"


@pytest.fixture(scope="module")
def listening(understood: DynamoCluster) -> Iterator[Gateway]:
    """Personal data in answers is replaced; a word that must not be said ends them."""
    policy = guarded_policy(understood.addresses(), {})
    answers = {"pii": {}, "stop": {"words": [STOP_WORD]}, "timeout": PATIENCE}
    policy["plugins"] = [{"answers": answers}]
    with Gateway(policy) as gateway:
        wait_serving(gateway, "general", "echo")
        yield gateway


def echoed(url: str, prompt: str, streamed: bool, model: str = "echo") -> tuple[str, str, str]:
    """The answer's text, why it ended, and all that the client received."""
    if not streamed:
        answer = chat(url, prompt, model, max_tokens=400, timeout=120)
        (choice,) = answer.json()["choices"]
        return choice["message"]["content"], choice["finish_reason"], answer.text
    with stream(url, prompt, model, max_tokens=400, timeout=120) as answer:
        events = answer.rest()
    assert events[-1] == DONE
    reasons = [
        choice["finish_reason"]
        for event in events[:-1]
        for choice in event.get("choices", [])
        if choice.get("finish_reason")
    ]
    return text_of(events), reasons[-1], str(events)


def test_dynamo_cuts_the_number_into_pieces(understood: DynamoCluster) -> None:
    """Without a gateway: the stream says the number, and no event has it whole."""
    url = understood.frontends[0].url
    text, _, received = echoed(url, f"{SSN_PROMPT}, thanks.", True)
    assert SSN in text
    assert SSN not in received


@STREAMED
def test_personal_data_in_answers(listening: Gateway, streamed: bool) -> None:
    prompt = fresh(f"{SSN_PROMPT}, as I said before.")
    text, reason, received = echoed(listening.url, prompt, streamed)
    assert prompt.replace(SSN, "[US_SSN]") in text
    assert SSN not in text and SSN not in received
    assert reason == "stop"
    assert SSN not in listening.process.log()


@STREAMED
def test_a_word_that_must_not_be_said(listening: Gateway, streamed: bool) -> None:
    prompt = fresh(f"The project is called {STOP_WORD.title()}, and it is late.")
    text, reason, received = echoed(listening.url, prompt, streamed)
    assert STOP_WORD not in received.lower()
    assert "late" not in text
    assert reason == "content_filter"


@STREAMED
def test_harmless_answers_are_left_alone(listening: Gateway, streamed: bool) -> None:
    prompt = fresh("Order 930-41-7719 has left the harbour; it will take nine days.")
    text, reason, _ = echoed(listening.url, prompt, streamed)
    assert prompt in text
    assert reason == "stop"
