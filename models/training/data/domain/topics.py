"""Reads the handwritten files: topics and complete prompts of a subject."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LANGUAGES = ("de", "fr", "es")


@dataclass
class Subject:
    """What one file of `train/` says about its subject."""

    label: str
    topics: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    foreign: list[tuple[str, str]] = field(default_factory=list)  # (language, prompt)


def sections(path: Path) -> dict[str, list[str]]:
    """The lines under each `[name]` of a file."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]") and line[1:-1].replace(" ", "").isalpha():
            current = found.setdefault(line[1:-1], [])
        elif line:
            current.append(line)
    return found


def subjects(folder: Path) -> list[Subject]:
    """One `Subject` for each file, in the order of their labels."""
    result = []
    for path in sorted(folder.glob("*.txt")):
        parts = sections(path)
        subject = Subject(path.stem)
        for line in parts.get("topics", []):
            subject.topics += [t.strip() for t in line.split(";") if t.strip()]
        subject.prompts = parts.get("prompts", [])
        for lang in LANGUAGES:
            subject.foreign += [(lang, p) for p in parts.get(lang, [])]
        result.append(subject)
    return result


def heldout(path: Path) -> list[tuple[str, str]]:
    """(label, prompt) of the prompts that training never sees."""
    return [(label, p) for label, prompts in sections(path).items() for p in prompts]
