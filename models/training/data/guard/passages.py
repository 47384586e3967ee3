"""Orders hidden in documents: passages that people wrote one by one, put into harmless documents by program.

A passage is a sentence or a few as they stand in a mail, page, record or tool's result: an order to whatever machine
reads it, or an honest one of the same look, to people or to programs. Each is trained on by itself and in documents of
others, so that the model learns the order and not what stands around it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from .rows import Row
from .text import estimate_tokens, for_dev, size, stable, windows
from .written import RUN, blocks

# About how many word pieces a document with its passage and request has: one window.
ROOM = 112
# Documents around every passage.
COPIES = {"train": 4, "dev": 2}
# Documents with nothing in them but a request, for a passage.
UNTOUCHED = 0.5
ASKED = 0.55
_ENDS = re.compile(r"(?<=[.!?;:。！？])\s+|\n+|(?<=[。！？])")
_PIECES = re.compile(r"\s*(?:[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+)")
_DRESSES = ["({})", "[{}]", "<!-- {} -->", "* {}", "“{}”", "-- {}", "NOTE: {}", "<p hidden>{}</p>", "// {}", "> {}"]
# What programmers paste; the rest is prose.
_DATA = ("document/py", "document/html", "document/js", "document/css", "document/po", "document/records")


def training(folder: Path) -> Iterator[Row]:
    """The passages of every file; one run of them in fourteen is for dev."""
    for path in sorted(folder.glob("passages_*.txt")):
        for number, block in enumerate(blocks(path)):
            split = "dev" if for_dev(f"{path.name} {number // RUN}") else "train"
            kind = block.kind.removeprefix("passage_")
            yield Row(block.text, block.attack, f"passage/{kind}", block.lang, split)


def requests(path: Path) -> dict[str, list[str]]:
    """What people ask about a document, by language: lines of a language's code and the request."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        lang, _, text = line.partition(" ")
        found.setdefault(lang, []).append(text)
    return found


def placed(rows: list[Row], carriers: list[Row], asked: dict[str, list[str]], split: str, seed: int) -> list[Row]:
    """The passages among `rows` in windows of `carriers` of their language, and windows with a request alone. Both
    classes are treated alike."""
    passages = sorted((r for r in rows if r.src.startswith("passage/")), key=lambda r: (r.attack, stable(r.text)))
    rng = random.Random(f"{seed}/placed/{split}")
    pools = _pools(carriers)
    result = []
    for row in passages:
        for _ in range(COPIES[split]):
            request = _request(asked, row.lang, rng)
            text = place(row.text, _carrier(pools, row, rng), ROOM - size(request), rng)
            result.append(Row(_ask(request, text, rng), row.attack, f"placed/{row.src}", row.lang, split))
        if rng.random() < UNTOUCHED:
            request = rng.choice(asked.get(row.lang, asked["en"]))
            text = windows(_carrier(pools, row, rng), int(ROOM - size(request)), 0)[0]
            result.append(Row(_ask(request, text, rng), False, "asked", row.lang, split))
    return result


def place(passage: str, document: str, room: float, rng: random.Random) -> str:
    """The passage in the document, mostly between two sentences or lines, with as much around it as there is room."""
    room -= size(passage)
    points = [0, *(m.end() for m in _ENDS.finditer(document)), len(document)]
    if rng.random() < 0.15:
        points = [m.start() for m in re.finditer(r"\s", document)] or points
    at = rng.choice(points)
    before, after = document[:at], document[at:]
    share = rng.random()
    kept = _last(before, max(room * share, room - size(after)))
    rest = _first(after, room - size(kept))
    if rng.random() < 0.25:
        passage = rng.choice(_DRESSES).format(passage)
    gap = rng.choice(["\n", "\n\n"]) if "\n" in document or rng.random() < 0.35 else " "
    return gap.join(part for part in (kept, passage, rest) if part)


def _pools(carriers: list[Row]) -> dict[tuple[str, bool], list[str]]:
    """Documents by language and by whether they are data."""
    pools: dict[tuple[str, bool], list[str]] = {}
    for row in carriers:
        if size(row.text) > 25:
            pools.setdefault((row.lang, row.src.startswith(_DATA)), []).append(row.text)
    return pools


def _carrier(pools: dict[tuple[str, bool], list[str]], row: Row, rng: random.Random) -> str:
    """A document of the passage's language and kind, mostly: tools return all kinds."""
    data = row.src.endswith("/data") if rng.random() < 0.7 else rng.random() < 0.3
    pool = pools.get((row.lang, data)) or pools.get((row.lang, False)) or pools["en", False]
    return rng.choice(pool)


def _request(asked: dict[str, list[str]], lang: str, rng: random.Random) -> str:
    return rng.choice(asked.get(lang, asked["en"])) if rng.random() < ASKED else ""


def _ask(request: str, document: str, rng: random.Random) -> str:
    if not request:
        return document
    gap = rng.choice(["\n\n", "\n", "\n---\n", " "])
    first, last = (request, document) if rng.random() < 0.75 else (document, request)
    return f"{first}{gap}{last}"


def _first(text: str, tokens: float) -> str:
    return "" if tokens < 4 or not text.strip() else windows(text, int(tokens), 0)[0]


def _last(text: str, tokens: float) -> str:
    total = 0.0
    start = len(text)
    for match in reversed(list(_PIECES.finditer(text))):
        total += estimate_tokens(match[0].strip())
        if total > tokens:
            break
        start = match.start()
    return text[start:].strip()
