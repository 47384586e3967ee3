"""Disguises, put on both classes alike: a disguise must not mean an attack."""

from __future__ import annotations

import base64
import codecs
import random

_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})
_LOOKALIKES = {
    "a": "а",
    "c": "с",
    "e": "е",
    "o": "о",
    "p": "р",
    "x": "х",
    "i": "і",
    "y": "у",
    "s": "ѕ",
    "A": "Α",
    "E": "Ε",
    "T": "Τ",
}


def leet(text: str, rng: random.Random) -> str:
    """Digits for letters, most of the time."""
    return "".join(c.translate(_LEET) if rng.random() < 0.8 else c for c in text.lower())


def spaced(text: str, rng: random.Random) -> str:
    """A separator after each letter."""
    mark = rng.choice([" ", "-", ".", "_"])
    gap = "  " if mark == " " else " "
    return gap.join(mark.join(word) for word in text[:160].split())


def homoglyph(text: str, rng: random.Random) -> str:
    """Letters of other alphabets that look the same."""
    return "".join(_LOOKALIKES.get(c, c) if rng.random() < 0.5 else c for c in text)


def zero_width(text: str, rng: random.Random) -> str:
    """Invisible characters between the letters."""
    return "".join(
        c + rng.choice("\u200b\u200c\u200d\u2060") if c.isalpha() and rng.random() < 0.3 else c for c in text
    )


def encoded(text: str, rng: random.Random) -> str:
    """A text in base64, hex, ROT13 or backwards, with its decoding beside it: what the
    product's normaliser hands to the classifier."""
    text = text[:150]
    kind = rng.randrange(4)
    if kind == 0:
        return base64.b64encode(text.encode()).decode()[:60] + "\n" + text
    if kind == 1:
        return text.encode().hex()[:60] + "\n" + text
    if kind == 2:
        return codecs.encode(text[:60], "rot13") + "\n" + text
    return text[:60][::-1] + "\n" + text


def typos(text: str, rng: random.Random) -> str:
    """Swapped and lost letters."""
    chars = list(text)
    for at in range(len(chars) - 1):
        draw = rng.random()
        if chars[at].isalpha() and chars[at + 1].isalpha():
            if draw < 0.03:
                chars[at], chars[at + 1] = chars[at + 1], chars[at]
            elif draw < 0.045:
                chars[at] = ""
    return "".join(chars)


def shouting(text: str, rng: random.Random) -> str:
    """Capitals, sometimes with exclamation marks."""
    return text.upper() + rng.choice(["", "!!!", "!"])


DISGUISES = {
    "leet": leet,
    "spaced": spaced,
    "homoglyph": homoglyph,
    "zero-width": zero_width,
    "encoded": encoded,
    "typos": typos,
    "typos2": typos,
    "shouting": shouting,
}
