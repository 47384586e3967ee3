"""A small template language, so that many different sentences come from few lines.

A file holds slots and families:

    :: city            a slot, one choice a line
    Paris
    == override label=jailbreak lang=en weight=2 split=train
    [please |]ignore {what}

`{slot}` takes a choice of that slot (expanded in turn), `[a|b|]` one of the parts,
`\\n` is a line break. A slot whose name ends in 1 keeps its choice within one text. A slot
choice may say `3* text` to be drawn three times as often.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_CHOICE = re.compile(r"\[([^\[\]\n]*\|[^\[\]\n]*)\]")
_WEIGHT = re.compile(r"^(\d+)\* ")


@dataclass
class Family:
    """One kind of text: its name, label, language, split and templates."""

    name: str
    label: str
    lang: str
    split: str
    weight: float
    lines: list[str] = field(default_factory=list)


@dataclass
class Grammar:
    """Slots and families of one or more files."""

    slots: dict[str, list[str]] = field(default_factory=dict)
    families: list[Family] = field(default_factory=list)

    def read(self, path: Path) -> None:
        """Adds one file; a slot defined twice grows."""
        target: list[str] = []
        for raw in path.read_text(encoding="utf-8").splitlines():
            line = raw.rstrip()
            if not line or line.startswith("# "):
                continue
            if line.startswith(":: "):
                target = self.slots.setdefault(line[3:].strip(), [])
            elif line.startswith("== "):
                family = _family(line[3:], path)
                self.families.append(family)
                target = family.lines
            else:
                match = _WEIGHT.match(line)
                target.extend([line[match.end() :]] * int(match[1]) if match else [line])

    def expand(self, template: str, rng: random.Random) -> str:
        """One text of a template."""
        text = template
        kept: dict[str, str] = {}
        for _ in range(60):
            text, slots = _SLOT.subn(lambda m: self._slot(m, rng, kept), text)
            text, choices = _CHOICE.subn(lambda m: rng.choice(m[1].split("|")), text)
            if not slots and not choices:
                break
        return text.replace("\\n", "\n")

    def _slot(self, match: re.Match[str], rng: random.Random, kept: dict[str, str]) -> str:
        options = self.slots.get(match[1])
        if options is None:
            raise ValueError(f"no slot {match[1]!r}")
        if match[1].endswith("1"):
            return kept.setdefault(match[1], rng.choice(options))
        return rng.choice(options)

    def sample(self, family: Family, count: int, seed: int) -> list[str]:
        """Up to `count` different texts, the templates taking turns."""
        rng = random.Random(f"{seed}/{family.lang}/{family.name}")
        found: dict[str, None] = {}
        lines = list(family.lines)
        for attempt in range(count * 3):
            if len(found) >= count:
                break
            if attempt % len(lines) == 0:
                rng.shuffle(lines)
            found.setdefault(_tidy(self.expand(lines[attempt % len(lines)], rng), rng))
        return list(found)


def _tidy(text: str, rng: random.Random) -> str:
    """Doubled blanks out, a capital in front mostly (people forget it sometimes)."""
    text = re.sub(r" {2,}", " ", text).strip()
    text = re.sub(r" ([,.;:?!])(?=\s|$)", r"\1", text)
    draw = rng.random()
    if draw < 0.8:
        return text[:1].upper() + text[1:]
    if draw < 0.84:
        return text.lower()
    return text


def _family(header: str, path: Path) -> Family:
    name, *pairs = header.split()
    options = dict(pair.split("=", 1) for pair in pairs)
    unknown = set(options) - {"label", "lang", "split", "weight"}
    if unknown or options.get("label") not in ("jailbreak", "benign"):
        raise ValueError(f"{path.name}: family {name}: bad header {header!r}")
    return Family(
        name=name,
        label=options["label"],
        lang=options.get("lang", "en"),
        split=options.get("split", "train"),
        weight=float(options.get("weight", "1")),
    )
