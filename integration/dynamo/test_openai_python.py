"""The official OpenAI client for Python, unchanged, with nothing but another base URL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import openai
import pytest

from gateway import Gateway

MESSAGES = [{"role": "user", "content": "What is 2+2?"}]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_unary(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="MoM", messages=MESSAGES, max_tokens=6)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None and answer.usage.completion_tokens == 6


def test_headers_are_in_reach(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="MoM", messages=MESSAGES, max_tokens=2
    )
    assert raw.headers["x-vsr-selected-model"] == "math"
    assert raw.request_id, "the client finds x-request-id"


def test_stream(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="MoM",
            messages=MESSAGES,
            max_tokens=6,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == "length"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 6


def test_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


def test_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="MoM", messages=[])
    assert caught.value.code


def test_models(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"MoM", "general", "math"} <= names
    assert client.models.retrieve("general").id == "general"


def test_many_at_once(gateway: Gateway) -> None:
    """Streams and plain answers of one asynchronous client, mixed over its pooled connections."""

    async def unary(client: openai.AsyncOpenAI, number: int) -> int:
        prompt = [{"role": "user", "content": f"Tell me about {number}"}]
        answer = await client.chat.completions.create(model="MoM", messages=prompt, max_tokens=5)
        assert answer.usage is not None
        return answer.usage.completion_tokens

    async def streamed(client: openai.AsyncOpenAI, number: int) -> int:
        prompt = [{"role": "user", "content": f"Tell me about {number}"}]
        chunks = await client.chat.completions.create(
            model="MoM", messages=prompt, max_tokens=5, stream=True
        )
        return len([chunk async for chunk in chunks if chunk.choices[0].delta.content])

    async def everything() -> list[int]:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="unused", max_retries=0
        ) as client:
            calls = [(streamed if number % 2 else unary)(client, number) for number in range(32)]
            return await asyncio.gather(*calls)

    counts = asyncio.run(everything())
    assert len(counts) == 32
    assert all(1 <= count <= 5 for count in counts), counts
