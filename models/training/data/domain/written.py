"""Reads prompts that people wrote one by one: `written/SUBJECT.txt` for training, `test/fresh.txt` for a test."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

LANGUAGE = re.compile(r"\[([a-z]{2})\] +")
# `\n` in a line is a line break, but not where a LaTeX command begins.
BREAK = re.compile(r"\\n(?!(?:abla|eq|eg|ot|u|i|ewline|mid|exists|ewcommand)(?![a-zA-Z]))")


def prompt(line: str) -> tuple[str, str]:
    """(language, text) of a line: `[de] Was ...` is German, a line without a mark English."""
    mark = LANGUAGE.match(line)
    text = line[mark.end() :] if mark else line
    return (mark.group(1) if mark else "en"), BREAK.sub("\n", text).strip()


def is_dev(text: str) -> bool:
    """One prompt in twelve is for dev alone."""
    return int(hashlib.sha1(text.encode()).hexdigest()[:6], 16) % 12 == 5


def folder(path: Path) -> list[tuple[str, str, str]]:
    """(subject, language, prompt) of every file of a folder, named after its subject; one prompt a line."""
    found = []
    for file in sorted(path.glob("*.txt")):
        lines = file.read_text(encoding="utf-8").splitlines()
        found += [(file.stem, *prompt(line.strip())) for line in lines if line.strip()]
    return found


def by_subject(path: Path, labels: set[str]) -> list[tuple[str, str, str]]:
    """(subject, language, prompt) of a file with a `[subject]` line before the prompts of each; an error names a line
    that stands under no known subject."""
    found, label = [], ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if line.startswith("[") and line.endswith("]") and line[1:-1] in labels:
            label = line[1:-1]
        elif line and not label:
            raise ValueError(f"{path.name}, line {number}: no subject before it")
        elif line:
            found.append((label, *prompt(line)))
    return found
