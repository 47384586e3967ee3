"""Texts that people wrote one by one, in blocks: a line `%% attack en persona` (class, language, kind), then the text
until the next such line. `written/*.txt` are for training, `dev/*.txt` for development, `test/fresh.txt` is a test."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .attacks_external import CUE
from .mix import bury, carriers_by_language
from .obfuscate import leet, shouting, spaced, typos
from .rows import Row
from .text import clean, for_dev, size, stable, windows

HEADER = re.compile(r"%%\s*(attack|benign)\s+([a-z]{2})\s+(\w+)\s*")
# Neighbours in a file are often alike, so so many in a row go to the same part, one such run in fourteen to dev.
RUN = 8
# A window is the whole text up to here; a buried text leaves room for what stands around it.
WHOLE, BURIED = 124, 84
# Kinds of attacks that stand anywhere in a document, and how a document addresses the machine that reads it.
INDIRECT = ("document", "agent", "mail")
MACHINES = re.compile(
    r"\b(?:AI|A\.I\.|LLMs?|artificial|automated|machines?|(?i:assistants?|agents?|bots?|chatbots?|copilots?|crawlers?"
    r"|(?:language )?models?|summari[sz]ers?|readers?|parsers?|screeners?|processors?))\b"
)


@dataclass(frozen=True)
class Block:
    """One text with its class, language and kind."""

    text: str
    attack: bool
    lang: str
    kind: str


def blocks(path: Path) -> list[Block]:
    """The texts of a file; an error names a line that looks like a header and is none, or a text without a header."""
    found: list[Block] = []
    header: re.Match[str] | None = None
    lines: list[str] = []

    def close() -> None:
        text = clean("\n".join(lines))
        if header and text:
            found.append(Block(text, header[1] == "attack", header[2], header[3]))
        elif text:
            raise ValueError(f"{path.name}: a text before the first header")

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("%%"):
            close()
            header, lines = HEADER.fullmatch(line), []
            if header is None:
                raise ValueError(f"{path.name}, line {number}: bad header")
        else:
            lines.append(line)
    close()
    return found


def pieces(block: Block) -> list[str]:
    """The windows of a text that hold what it is labelled for: of a long attack those with a cue, else its end, where
    it comes to its point; of a document with an order in it the one that speaks of machines most."""
    if size(block.text) <= WHOLE:
        return [block.text]
    parts = windows(block.text)
    if not block.attack:
        return parts
    cued = [p for p in parts if CUE.search(p)]
    if not cued and block.kind in INDIRECT:
        spoken = [len(MACHINES.findall(p)) for p in parts]
        return [parts[spoken.index(max(spoken))]] if max(spoken) else []
    return cued or [ending(block.text)]


def ending(text: str) -> str:
    """The longest end of a text that is one window; the last of `windows` may be a few words."""
    starts = [0, *(m.end() for m in re.finditer(r"\s+", text))]
    return next((text[at:] for at in starts if size(text[at:]) <= WHOLE), windows(text)[-1])


def training(folder: Path) -> Iterator[Row]:
    """Rows of every file; one run of texts in fourteen is for dev."""
    for path in sorted(folder.glob("*.txt")):
        for number, block in enumerate(blocks(path)):
            split = "dev" if for_dev(f"{path.name} {number // RUN}") else "train"
            for piece in pieces(block):
                whole = "" if piece == block.text else block.text
                yield Row(piece, block.attack, f"written/{block.kind}", block.lang, split, whole)


def whole(path: Path, src: str, split: str) -> list[Row]:
    """The texts of a file, uncut: the product cuts them itself."""
    return [Row(b.text, b.attack, f"{src}/{b.kind}", b.lang, split) for b in blocks(path)]


def strangers(folder: Path) -> list[Row]:
    """Texts for development by people who wrote nothing that is trained on: tests of earlier versions."""
    return [row for path in sorted(folder.glob("*.txt")) for row in whole(path, "stranger", "dev")]


def copies(rows: list[Row], carriers: list[Row], seed: int) -> list[Row]:
    """One more row of each: every second one in the middle of harmless text, the others disguised, and those too long
    for that disguised as well. Both classes are treated alike."""
    rng = random.Random(f"{seed}/written")
    by_lang = carriers_by_language(carriers)
    result = []
    for number, row in enumerate(sorted(rows, key=lambda r: (r.attack, stable(r.text)))):
        if number % 2 == 0 and size(row.text) <= BURIED:
            text, src = bury(row, by_lang, 1, rng), f"buried/{row.src}"
        else:
            name, disguise = rng.choice(_disguises(row.text))
            text, src = disguise(row.text, rng), f"{name}/{row.src}"
        result.append(Row(text, row.attack, src, row.lang, row.split))
    return result


def _disguises(text: str) -> list[tuple[str, object]]:
    """What leaves a text readable and about as long; those that take it apart only for short texts in Latin letters."""
    fit = [("typos", typos), ("typos2", typos), ("shouting", shouting)]
    if all(c < "\u0250" for c in text):
        fit += [("leet", leet)] if len(text) < 300 else []
        fit += [("spaced", spaced)] if len(text) < 60 else []
    return fit
