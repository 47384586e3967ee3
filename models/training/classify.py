"""Two ways to ask the models: the product's command, or the weights in Python.

Both give, for every text, `{"domain": {"label", "score"}, "jailbreak": {"label", "score"}, "pii": [...]}` (or a part of
it) with the spans' offsets in characters.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from bundle import load_heads
from predict import Runner, attack_probability, find_spans, mean_of_windows

Classify = Callable[[list[str]], list[dict]]


def character_offsets(text: str, spans: list[dict]) -> list[dict]:
    """Spans in UTF-8 bytes to spans in characters."""
    data = text.encode()
    return [span | {key: len(data[: span[key]].decode(errors="ignore")) for key in ("start", "end")} for span in spans]


def by_command(command: str) -> Classify:
    """Runs `command` (such as `commutator classify --jsonl`) once for all texts."""

    def classify(texts: list[str]) -> list[dict]:
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        done = subprocess.run(shlex.split(command), input=lines, text=True, stdout=subprocess.PIPE, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if len(answers) != len(texts):
            raise ValueError(f"{len(texts)} texts, but {len(answers)} answers")
        return [a | {"pii": character_offsets(t, a["pii"])} for t, a in zip(texts, answers, strict=True)]

    return classify


def by_python(task: str, directory: Path) -> Classify:
    """Runs one of the bundle's models in JAX, with neither rules nor normalisation; only its answer is there."""
    head = load_heads(directory)[task]
    runner = Runner(head.model, head.folder)

    def classify(texts: list[str]) -> list[dict]:
        if task == "pii":
            return [{"pii": spans} for spans in find_spans(runner, texts, head.temperature, head.thresholds)]
        answers = []
        for logits in runner.sequence_logits(texts):
            if task == "domain":
                likely = mean_of_windows(logits, head.temperature)
                label = runner.spec.labels[likely.argmax()]
                answers.append({"domain": {"label": label, "score": float(likely.max())}})
            else:
                score = attack_probability(logits, head.temperature)
                label = "jailbreak" if score >= head.threshold else "benign"
                answers.append({"jailbreak": {"label": label, "score": score}})
        return answers

    return classify
