"""Finds texts that share a run of ten words, so that what is kept for evaluation stays out of training."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

RUN = 10
READ = {".jsonl", ".json", ".txt", ".csv", ".tsv", ".yaml", ".yml", ".prompt"}
# Scripts written without spaces: one character counts as one word there.
_APART = "\u3040-\u30ff\u3400-\u9fff"
WORD = re.compile(rf"[{_APART}]|[^\W_{_APART}]+")


def runs(text: str) -> Iterator[str]:
    """All runs of ten words (lower-case letters and digits; single characters of Chinese and Japanese) of a text."""
    words = WORD.findall(text.lower())
    for i in range(len(words) - RUN + 1):
        yield " ".join(words[i : i + RUN])


def lines(folder: Path) -> Iterator[str]:
    """The lines of the text files under a folder, with the escapes of JSON undone roughly."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in READ:
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    yield line.replace("\\n", " ").replace('\\"', '"')


def clean(rows: list[dict], folder: Path | None) -> tuple[list[dict], int]:
    """The rows that share no run with a text under the folder, and how many were dropped."""
    if folder is None:
        return rows, 0
    owners: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        for run in set(runs(row["text"])):
            owners[run].append(i)
    bad: set[int] = set()
    for line in lines(folder):
        for run in runs(line):
            if run in owners:
                bad.update(owners[run])
    return [r for i, r in enumerate(rows) if i not in bad], len(bad)


def apart(rows: list[dict], texts: Iterable[str]) -> tuple[list[dict], Counter]:
    """The rows that share neither a run of ten words nor all their words with one of `texts`, and how many of each
    source were dropped."""
    held: set[str] = set()
    for text in texts:
        held.update((" ".join(WORD.findall(text.lower())), *runs(text)))
    kept, dropped = [], Counter()
    for row in rows:
        if held.isdisjoint((" ".join(WORD.findall(row["text"].lower())), *runs(row["text"]))):
            kept.append(row)
        else:
            dropped[row["src"]] += 1
    return kept, dropped
