"""Texts whose personal data is marked in place: `My name is [[PERSON|Ann Lee]].`, one text a line."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from pathlib import Path

MARK = re.compile(r"\[\[([A-Z_]+)\|(.+?)\]\]", re.DOTALL)
LANGUAGE = re.compile(r"\[([a-z]{2})\] +")


def spans(marked: str, labels: frozenset[str] | None) -> tuple[str, list[dict]]:
    """The text without the marks and what each of them covers, in characters; an error for a label that is none of
    `labels`, if these are given, or a mark that is not closed. Spaces at the ends of a marked piece are not part of the
    span."""
    text, found, at = "", [], 0
    for mark in MARK.finditer(marked):
        text += marked[at : mark.start()]
        label, words = mark.groups()
        if labels is not None and label not in labels:
            raise ValueError(f"unknown label {label}")
        start = len(text) + len(words) - len(words.lstrip())
        found.append({"start": start, "end": start + len(words.strip()), "label": label})
        text, at = text + words, mark.end()
    text += marked[at:]
    if "[[" in text and re.search(r"\[\[[A-Z_]+\|", text):
        raise ValueError("a mark is not closed")
    return text, found


def read(path: Path, labels: frozenset[str] | None = None) -> list[dict]:
    """The rows of a file; `\\n` in a line is a line break, `[de] ` in front names the language, lines that are a
    `[section]` are skipped. An error names the line."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or re.fullmatch(r"\[[a-z ]+\]", line):
            continue
        lang = LANGUAGE.match(line)
        try:
            text, found = spans((line[lang.end() :] if lang else line).replace("\\n", "\n"), labels)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
        rows.append({"text": text, "spans": found, "src": "fresh", "lang": lang.group(1) if lang else "en"})
    return rows


def values(rows: list[dict]) -> dict[tuple[str, str], list[str]]:
    """What is marked in the rows, by language and label."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for span in row["spans"]:
            found[row["lang"], span["label"]].append(row["text"][span["start"] : span["end"]])
    return found


def swapped(rng: random.Random, row: dict, stock: dict[tuple[str, str], list[str]]) -> tuple[str, list[dict]]:
    """The row's text with most of its values replaced by others of the same label and language, equal ones alike."""
    text, spans, at = "", [], 0
    chosen: dict[tuple[str, str], str] = {}
    for span in sorted(row["spans"], key=lambda span: span["start"]):
        old = row["text"][span["start"] : span["end"]]
        key = (span["label"], old)
        if key not in chosen:
            chosen[key] = rng.choice(stock[row["lang"], span["label"]]) if rng.random() < 0.8 else old
        text += row["text"][at : span["start"]]
        spans.append({"start": len(text), "end": len(text) + len(chosen[key]), "label": span["label"]})
        text, at = text + chosen[key], span["end"]
    return text + row["text"][at:], spans
