"""Runs a branch over texts as the engine does: windows, then one answer a text."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from dataset import read_rows, spread
from model import Model, forward
from spans import decode
from tokens import batches, load_tokenizer, pad, windows

BATCH_TOKENS = 2048
Logits = list[np.ndarray]


class Runner:
    """A model on the CPU with its tokenizer."""

    def __init__(self, model: Model, encoder: Path) -> None:
        self.model = model
        self.spec = model.spec
        self.tokenizer = load_tokenizer(encoder)
        spec = self.spec
        self._forward = jax.jit(lambda frozen, branch, head, ids: forward(frozen, branch, head, ids, spec))
        self._tensors = jax.device_put((model.frozen, model.branch, model.head))

    def _run(self, sequences: list[list[int]]) -> Logits:
        """Logits of framed sequences, in their order."""
        out: Logits = [np.zeros(0)] * len(sequences)
        for length, members in batches([len(ids) for ids in sequences], BATCH_TOKENS):
            ids = pad([sequences[index] for index in members], length, max(1, BATCH_TOKENS // length))
            logits = np.asarray(self._forward(*self._tensors, ids))
            for row, index in enumerate(members):
                out[index] = logits[row, : len(sequences[index])] if self.spec.per_token else logits[row]
        return out

    def windows(self, texts: list[str]) -> tuple[list, list[list[tuple[int, int]]], list[Logits]]:
        """The texts' encodings, their windows and the windows' logits."""
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        cuts = [windows(len(encoding.ids), self.spec.inner, self.spec.overlap) for encoding in encodings]
        sequences = [
            self.spec.on.framed(encoding.ids[start:end])
            for encoding, ranges in zip(encodings, cuts, strict=True)
            for start, end in ranges
        ]
        flat = iter(self._run(sequences))
        return encodings, cuts, [[next(flat) for _ in ranges] for ranges in cuts]

    def sequence_logits(self, texts: list[str]) -> Logits:
        """`[windows, labels]` of every text."""
        return [np.stack(rows) for rows in self.windows(texts)[2]]

    def token_logits(self, texts: list[str]) -> list[tuple[list[tuple[int, int]], np.ndarray]]:
        """Every text's token offsets (characters) and logits; a token's come from the window it is deepest in."""
        results = []
        for encoding, cuts, rows in zip(*self.windows(texts), strict=True):
            merged = np.zeros((len(encoding.ids), len(self.spec.labels)), np.float32)
            for number, ((start, end), logits) in enumerate(zip(cuts, rows, strict=True)):
                owned = start if number == 0 else start + (cuts[number - 1][1] - start) // 2
                merged[owned:end] = logits[1:-1][owned - start :]
            results.append((encoding.offsets, merged))
        return results


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def mean_of_windows(logits: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities of a text: the mean over its windows."""
    return softmax(logits / temperature).mean(0)


def attack_probability(logits: np.ndarray, temperature: float) -> float:
    """The guard's answer: the most suspicious window's."""
    return float(softmax(logits / temperature)[:, 1].max())


def agreement(exact: Model, served: Model, encoder: Path, file: Path, most: int) -> float:
    """The share of equal answers (texts; tokens for a token classifier) of two models on at most `most` texts."""
    texts = [row["text"] for row in spread(read_rows(file), most)]
    answers = []
    for model in (exact, served):
        runner = Runner(model, encoder)
        if model.spec.per_token:
            answers.append(np.concatenate([logits.argmax(-1) for _, logits in runner.token_logits(texts)]))
        else:
            answers.append(np.array([logits.mean(0).argmax() for logits in runner.sequence_logits(texts)]))
    return float((answers[0] == answers[1]).mean())


def find_spans(runner: Runner, texts: list[str], temperature: float, thresholds: dict[str, float]) -> list[list[dict]]:
    """Labelled spans (character offsets) of every text."""
    found = []
    for text, (offsets, logits) in zip(texts, runner.token_logits(texts), strict=True):
        found.append(decode(text, offsets, softmax(logits / temperature), runner.spec.labels, thresholds))
    return found
