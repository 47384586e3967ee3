"""Training files to token sequences with their targets."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spec import Spec
from tokens import token_ids, windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IGNORED = -1
# `fresh` is a test by another hand than every other part; nothing is fitted to it or chosen by it.
PARTS = ("train", "dev", "test", "fresh")
# Disguises that the engine undoes before it classifies: such rows teach nothing that the plain ones do not.
UNDONE = ("homoglyph/", "zero-width/", "encoded/")


@dataclass
class Example:
    """One window."""

    ids: list[int]
    target: list[int]
    """One label for the window, or one for every token (`IGNORED` for the special ones)."""


def read_rows(path: Path) -> list[dict]:
    """The rows of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def plain_rows(path: Path) -> list[dict]:
    """The rows as models see them: without those whose disguise is undone before."""
    return [row for row in read_rows(path) if not row["src"].startswith(UNDONE)]


def spread(rows: list[dict], most: int | None) -> list[dict]:
    """At most `most` rows (all for `None`), evenly spread over the file."""
    if most is None or len(rows) <= most:
        return rows
    return [rows[index * len(rows) // most] for index in range(most)]


def parts(folder: Path) -> list[Path]:
    """The files of a branch's data; older data has no `fresh`."""
    files = [folder / f"{part}.jsonl" for part in PARTS]
    return [file for file in files if file.exists() or file.stem != "fresh"]


def file_hash(path: Path) -> str:
    """SHA-256 of a data file, for the model card."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sequence_examples(spec: Spec, tokenizer: Tokenizer, rows: list[dict]) -> list[Example]:
    """Windows of labelled texts: every one for the guard, which judges windows; the first for the domain."""
    examples = []
    texts = token_ids(tokenizer, [row["text"] for row in rows])
    for row, ids in zip(rows, texts, strict=True):
        label = spec.labels.index(row["label"])
        cuts = windows(len(ids), spec.inner, spec.overlap)
        for start, end in cuts if spec.task == "guard" else cuts[:1]:
            examples.append(Example(spec.on.framed(ids[start:end]), [label]))
    return examples


def token_labels(labels: tuple[str, ...], offsets: list[tuple[int, int]], spans: list[dict]) -> list[int]:
    """A BIO label for every token; a token belongs to the span that holds its first character."""
    found = [0] * len(offsets)
    for span in spans:
        first = True
        for index, (start, end) in enumerate(offsets):
            if span["start"] <= start < span["end"] and end > start:
                found[index] = labels.index(("B-" if first else "I-") + span["label"])
                first = False
    return found


def token_examples(spec: Spec, tokenizer: Tokenizer, rows: list[dict]) -> list[Example]:
    """Windows of texts with labelled spans."""
    examples = []
    encodings = tokenizer.encode_batch([row["text"] for row in rows], add_special_tokens=False)
    for row, encoding in zip(rows, encodings, strict=True):
        spans = [span for span in row["spans"] if f"B-{span['label']}" in spec.labels]
        labels = token_labels(spec.labels, encoding.offsets, spans)
        for start, end in windows(len(encoding.ids), spec.inner, spec.overlap):
            target = [IGNORED, *labels[start:end], IGNORED]
            examples.append(Example(spec.on.framed(encoding.ids[start:end]), target))
    return examples


def examples(spec: Spec, tokenizer: Tokenizer, rows: list[dict]) -> list[Example]:
    """Windows with targets."""
    make = token_examples if spec.per_token else sequence_examples
    return [example for example in make(spec, tokenizer, rows) if len(example.ids) > 2]
