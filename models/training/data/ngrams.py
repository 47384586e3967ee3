"""Drops training texts that share a run of ten words with a text kept for evaluation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

RUN = 10


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits."""
    return re.findall(r"[a-z0-9]+", text.lower())


def runs(text: str) -> Iterator[str]:
    """All runs of ten words of a text."""
    w = words(text)
    for i in range(len(w) - RUN + 1):
        yield " ".join(w[i : i + RUN])


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _strings(v)
    elif isinstance(value, list):
        for v in value:
            yield from _strings(v)


def load(folder: Path | None) -> set[str]:
    """The runs of every text under a folder of `.jsonl`, `.json` and `.txt` files; empty without a folder."""
    found: set[str] = set()
    if folder is None:
        return found
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        if path.suffix == ".jsonl":
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.strip():
                    for text in _strings(json.loads(line)):
                        found.update(runs(text))
        elif path.suffix == ".json":
            for text in _strings(json.loads(path.read_text(encoding="utf-8", errors="replace"))):
                found.update(runs(text))
        elif path.suffix == ".txt":
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                found.update(runs(line))
    return found


def clean(rows: Iterable[dict], forbidden: set[str]) -> tuple[list[dict], int]:
    """The rows without a forbidden run, and how many were dropped."""
    kept, dropped = [], 0
    for row in rows:
        if forbidden and any(r in forbidden for r in runs(row["text"])):
            dropped += 1
        else:
            kept.append(row)
    return kept, dropped
