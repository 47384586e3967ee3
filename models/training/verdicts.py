"""Whether the guard's verdict on a text stays what it is in the middle of a long one, and what it says of long ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from metrics import guard_group, shares

if TYPE_CHECKING:
    from classify import Classify

HAYSTACK_WORDS = 5000


def buried(classify: Classify, rows: list[dict], count: int) -> dict:
    """How often the guard says the same of a text alone and in the middle of harmless words."""
    order = random.Random(7)
    rows = order.sample(rows, len(rows))
    ordinary = [row["text"] for row in rows if row["label"] == "benign" and guard_group(row) == "ordinary English"]
    if len(ordinary) < 2:  # Nothing to bury attacks in.
        return {}
    # The texts around and those to bury are apart.
    around = 400 if len(ordinary) >= 400 + count else len(ordinary) // 2
    harmless = [t for t, yes in zip(ordinary, flags(classify, ordinary[:around]), strict=False) if not yes]
    words = " ".join(harmless).split()
    words = (words * (HAYSTACK_WORDS // max(1, len(words)) + 1))[:HAYSTACK_WORDS]
    attacks = [row["text"] for row in rows if row["label"] == "jailbreak"][:count]
    benign = ordinary[around : around + count]
    haystack = " ".join(words)
    return {
        "same_verdict": same_verdicts(classify, attacks, benign, [haystack]),
        "texts": len(attacks) + len(benign),
        "harmless_words_alone": classify([haystack])[0]["jailbreak"]["score"],
    }


def flags(classify: Classify, texts: list[str]) -> list[bool]:
    """Whether the guard takes each text for an attack."""
    return [answer["jailbreak"]["label"] == "jailbreak" for answer in classify(texts)]


def same_verdicts(classify: Classify, attacks: list[str], benign: list[str], around: list[str]) -> dict[str, float]:
    """The share of texts of which the guard says the same alone and in the middle of the words of `around`, in turn."""
    texts = attacks + benign
    halves = [(words[: len(words) // 2], words[len(words) // 2 :]) for words in map(str.split, around)]
    within = []
    for number, text in enumerate(texts):
        before, after = halves[number % len(halves)]
        within.append(f"{' '.join(before)}\n{text}\n{' '.join(after)}")
    same = [a == w for a, w in zip(flags(classify, texts), flags(classify, within), strict=True)]
    return {"attacks": float(np.mean(same[: len(attacks)])), "benign": float(np.mean(same[len(attacks) :]))}


def long_texts(classify: Classify, long: list[dict], rows: list[dict], count: int) -> dict:
    """The share of long harmless texts, and of pieces of them, that the guard stops; and how often it says the same of
    a text alone and in the middle of one of those it does not stop."""
    flagged = np.array(flags(classify, [row["text"] for row in long]))
    scores: dict = {"flagged": shares(long, flagged, lambda row: f"{row['kind']} {row['src']}")}
    harmless = [row["text"] for row, yes in zip(long, flagged, strict=True) if row["kind"] == "text" and not yes]
    rows = random.Random(8).sample(rows, len(rows))
    attacks = [row["text"] for row in rows if row["label"] == "jailbreak"][:count]
    benign = [row["text"] for row in rows if row["label"] == "benign"][:count]
    if harmless and attacks and benign:
        scores["same_verdict"] = same_verdicts(classify, attacks, benign, harmless)
    return scores
