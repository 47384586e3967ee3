"""Reads texts whose personal data is marked in place: `My name is [[PERSON|Ann Lee]].`, one text a line."""

from __future__ import annotations

import re
from pathlib import Path

MARK = re.compile(r"\[\[([A-Z_]+)\|(.+?)\]\]", re.DOTALL)
LANGUAGE = re.compile(r"\[([a-z]{2})\] +")


def spans(marked: str, labels: frozenset[str]) -> tuple[str, list[dict]]:
    """The text without the marks and what each of them covers, in characters; an error for an unknown label or a mark
    that is not closed. Spaces at the ends of a marked piece are not part of the span."""
    text, found, at = "", [], 0
    for mark in MARK.finditer(marked):
        text += marked[at : mark.start()]
        label, words = mark.groups()
        if label not in labels:
            raise ValueError(f"unknown label {label}")
        start = len(text) + len(words) - len(words.lstrip())
        found.append({"start": start, "end": start + len(words.strip()), "label": label})
        text, at = text + words, mark.end()
    text += marked[at:]
    if "[[" in text and re.search(r"\[\[[A-Z_]+\|", text):
        raise ValueError("a mark is not closed")
    return text, found


def read(path: Path, labels: frozenset[str]) -> list[dict]:
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
