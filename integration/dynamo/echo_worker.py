"""Dynamo workers that answer with what they were asked, and print it: what reached the model.

    python echo_worker.py MODEL_DIRECTORY MODEL_NAME NAMESPACE [--embeddings]

They are registered with the real runtime and served by the real frontends, like any engine written
in Python. A frontend gives them the prompt's tokens, and they give the same tokens back,
`PER_EVENT` at a time. With `--embeddings` they get texts, and a text's vector is its length.

Every prompt is printed as a line of JSON, `{"seen": TEXT}`; `seen` finds it in the worker's log.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

PER_EVENT = 2
"""Few enough that a placeholder arrives in several events."""

PROGRAM = Path(__file__)


def seen(log: str) -> list[str]:
    """The prompts in a worker's log, oldest first."""
    lines = [line for line in log.splitlines() if line.startswith('{"seen": ')]
    return [json.loads(line)["seen"] for line in lines]


def _show(text: str) -> None:
    print(json.dumps({"seen": text}), flush=True)


class Echo:
    """Gives the prompt's tokens back."""

    def __init__(self, model_directory: str) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(f"{model_directory}/tokenizer.json")

    async def answer(self, request: dict[str, Any], context: Any) -> AsyncIterator[dict[str, Any]]:
        """One request. The runtime passes `context` by name."""
        tokens = request["token_ids"]
        _show(self._tokenizer.decode(tokens, skip_special_tokens=False))
        wanted = (request.get("stop_conditions") or {}).get("max_tokens") or len(tokens)
        tokens = tokens[:wanted]
        for start in range(0, len(tokens), PER_EVENT):
            piece: dict[str, Any] = {"token_ids": tokens[start : start + PER_EVENT]}
            if start + PER_EVENT >= len(tokens):
                piece["finish_reason"] = "stop"
            yield piece


async def embed(request: dict[str, Any], context: Any) -> AsyncIterator[dict[str, Any]]:
    """One request for embeddings. Vectors travel as base64 of 32-bit floats."""
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    for text in texts:
        _show(text)
    vectors = [base64.b64encode(struct.pack("<f", len(text))).decode() for text in texts]
    yield {
        "object": "list",
        "model": request["model"],
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)},
    }


async def serve(options: argparse.Namespace) -> None:
    """Registers the model and answers until the process is killed."""
    from dynamo.llm import (
        ModelInput,
        ModelType,
        RouterConfig,
        RouterMode,
        WorkerType,
        register_model,
    )
    from dynamo.runtime import DistributedRuntime, dynamo_worker

    @dynamo_worker()
    async def run(runtime: DistributedRuntime) -> None:
        endpoint = runtime.endpoint(f"{options.namespace}.backend.generate")
        reads, kind = ModelInput.Tokens, ModelType.Chat | ModelType.Completions
        handler = Echo(options.model_directory).answer
        if options.embeddings:
            reads, kind, handler = ModelInput.Text, ModelType.Embedding, embed
        await register_model(
            reads,
            kind,
            endpoint,
            options.model_directory,
            options.model_name,
            worker_type=WorkerType.Aggregated,
            # Workers that read texts have no KV blocks to route by.
            router_config=RouterConfig(RouterMode.RoundRobin),
        )
        await endpoint.serve_endpoint(handler)

    await run()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model_directory")
    parser.add_argument("model_name")
    parser.add_argument("namespace")
    parser.add_argument("--embeddings", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
