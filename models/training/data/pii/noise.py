"""Rough copies of labelled texts: other case, typos, no punctuation, with the spans moved along."""

from __future__ import annotations

import random


def edit(text: str, spans: list[dict], change: list[str]) -> tuple[str, list[dict]]:
    """The text with each character replaced by `change[i]` (of any length), and its spans."""
    at, positions = 0, []
    for piece in change:
        positions.append(at)
        at += len(piece)
    positions.append(at)
    moved = [{"start": positions[s["start"]], "end": positions[s["end"]], "label": s["label"]} for s in spans]
    return "".join(change), [s for s in moved if s["end"] > s["start"]]


def recase(text: str, spans: list[dict], upper: bool) -> tuple[str, list[dict]]:
    """All small or all capital."""
    return edit(text, spans, [c.upper() if upper else c.lower() for c in text])


def typos(rng: random.Random, text: str, spans: list[dict], rate: float = 0.03) -> tuple[str, list[dict]]:
    """Letters outside of spans dropped, doubled or swapped with the next."""
    inside = [False] * len(text)
    for s in spans:
        inside[s["start"] : s["end"]] = [True] * (s["end"] - s["start"])
    change = list(text)
    for i in range(len(text) - 1):
        if text[i].isalpha() and text[i + 1].isalpha() and not inside[i] and not inside[i + 1] and rng.random() < rate:
            kind = rng.randrange(3)
            if kind == 0:
                change[i] = ""
            elif kind == 1:
                change[i] = text[i] * 2
            else:
                change[i], change[i + 1] = change[i + 1], change[i]
    return edit(text, spans, change)


def bare(text: str, spans: list[dict]) -> tuple[str, list[dict]]:
    """Sentence marks outside of spans removed."""
    inside = [False] * len(text)
    for s in spans:
        inside[s["start"] : s["end"]] = [True] * (s["end"] - s["start"])
    return edit(text, spans, ["" if c in ",.!?;:'\"" and not inside[i] else c for i, c in enumerate(text)])


def rough(rng: random.Random, text: str, spans: list[dict]) -> tuple[str, list[dict]]:
    """One of the above, or more often nothing."""
    kind = rng.random()
    if kind < 0.14:
        return recase(text, spans, upper=False)
    if kind < 0.19:
        return recase(text, spans, upper=True)
    if kind < 0.25:
        return typos(rng, text, spans)
    if kind < 0.31:
        return recase(*bare(text, spans), upper=False)
    return text, spans


def join(parts: list[tuple[str, list[dict]]], glue: str) -> tuple[str, list[dict]]:
    """Several labelled texts as one."""
    out, spans, at = [], [], 0
    for i, (text, found) in enumerate(parts):
        if i:
            out.append(glue)
            at += len(glue)
        spans += [{**s, "start": s["start"] + at, "end": s["end"] + at} for s in found]
        out.append(text)
        at += len(text)
    return "".join(out), spans
