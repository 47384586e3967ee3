"""Attacks inside harmless text, harmless pairs of the same shape, and disguised copies."""

from __future__ import annotations

import random

from .attacks_external import CUE
from .obfuscate import DISGUISES
from .rows import Row
from .text import size, windows

_FRAMES = [
    "{0}\n\n{1}\n\n{2}",
    "{0} {1} {2}",
    "{0}\n{1}\n{2}",
    "Summarise this text:\n{0}\n{1}\n{2}",
    "Translate to French: {0} {1} {2}",
    "<document>\n{0}\n{1}\n{2}\n</document>",
    '{{"result": "{0} {1} {2}"}}',
    "Tool result:\n{0}\n---\n{1}\n---\n{2}",
    "Please answer the question about this page.\n\n{0} {1} {2}",
    "From: a.lind@mail.test\nSubject: update\n\n{0}\n\n{1}\n\n{2}",
    "> {0}\n> {1}\n> {2}",
]


def _cut(text: str, tokens: float, rng: random.Random) -> str:
    if tokens < 6:
        return ""
    pieces = windows(text, int(tokens), 0)
    return rng.choice(pieces[:2]) if pieces else ""


def carriers_by_language(carriers: list[Row]) -> dict[str, list[Row]]:
    """The texts long enough to bury another in, by language."""
    by_lang: dict[str, list[Row]] = {}
    for carrier in carriers:
        if size(carrier.text) > 25:
            by_lang.setdefault(carrier.lang, []).append(carrier)
    return by_lang


def bury(inner: Row, by_lang: dict[str, list[Row]], place: int | None, rng: random.Random) -> str:
    """The row's text at the beginning (0), in the middle (1) or at the end (2) of a window of harmless text; anywhere
    for `None`."""
    pool = by_lang.get(inner.lang) if rng.random() < 0.8 else by_lang.get("en")
    pool = pool or by_lang["en"]
    room = 108 - size(inner.text)
    place = rng.randrange(3) if place is None else place
    before = after = ""
    if place:
        before = _cut(rng.choice(pool).text, room * (0.85 if place == 2 else 0.45), rng)
    if place != 2:
        after = _cut(rng.choice(pool).text, room * (0.85 if place == 0 else 0.45), rng)
    frame = rng.choice(_FRAMES) if rng.random() < 0.6 else "{0}\n\n{1}\n\n{2}"
    return frame.format(before, inner.text, after).strip()


def buried(rows: list[Row], carriers: list[Row], count: int, split: str, seed: int) -> list[Row]:
    """`count` windows with an attack in the beginning, middle or end, and as many with a
    harmless sentence there instead."""
    rng = random.Random(f"{seed}/buried/{split}")
    attacks = [r for r in rows if r.attack and size(r.text) < 70 and (CUE.search(r.text) or r.src.startswith("gen/"))]
    harmless = [r for r in rows if not r.attack and size(r.text) < 70]
    looks = [r for r in harmless if r.src.startswith("gen/")] or harmless
    by_lang = carriers_by_language(carriers)
    result = []
    for number in range(count * 2):
        attack = number % 2 == 0
        inner = rng.choice(attacks if attack else (looks if rng.random() < 0.5 else harmless))
        text = bury(inner, by_lang, None, rng)
        result.append(Row(text, attack, f"buried/{inner.src}", inner.lang, split))
    return result


def _latin(text: str) -> float:
    return sum(c < "\u0250" for c in text) / len(text)


def disguised(rows: list[Row], share: float, split: str, seed: int) -> list[Row]:
    """A disguised copy of the same share of attacks and of harmless texts."""
    result = []
    for attack in (True, False):
        rng = random.Random(f"{seed}/disguise/{split}/{attack}")
        pool = [r for r in rows if r.attack == attack and 12 < len(r.text) < 330]
        kinds = list(DISGUISES)
        for number, row in enumerate(rng.sample(pool, int(len(pool) * share))):
            kind = kinds[number % len(kinds)]
            # These three work on Latin letters; elsewhere they only make noise.
            if kind in {"leet", "spaced", "homoglyph"} and _latin(row.text) < 0.8:
                kind = "zero-width"
            text = DISGUISES[kind](row.text, rng)
            result.append(
                Row(windows(text)[0] if size(text) > 130 else text, attack, f"{kind}/{row.src}", row.lang, split)
            )
    return result
