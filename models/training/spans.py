"""From the tokens' probabilities to labelled spans, word by word, as the engine does it.

A word is a run of letters and digits (a token of its own in scripts without spaces and for every other character). Its
tokens vote together; the best type wins when its share reaches its threshold, or half where the threshold is above
it. Neighbouring words of a type are one span unless another one begins; a span stays if its words' mean probability
reaches the threshold.
"""

from __future__ import annotations

import unicodedata

import numpy as np

_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip


def _in_word(char: str) -> bool:
    if any(low <= ord(char) <= high for low, high in _WITHOUT_SPACES):
        return False
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _joined(text: str, end: int, start: int) -> bool:
    if start != end:
        return start < end
    return 0 < start < len(text) and _in_word(text[start - 1]) and _in_word(text[start])


def words(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int, list[int]]]:
    """Start, end and tokens of every word."""
    found: list[tuple[int, int, list[int]]] = []
    for token, (start, end) in enumerate(offsets):
        if not text[start:end].strip():
            continue
        if found and _joined(text, found[-1][1], start):
            first, last, tokens = found[-1]
            found[-1] = (first, max(last, end), [*tokens, token])
        else:
            found.append((start, end, [token]))
    return found


def decode(
    text: str,
    offsets: list[tuple[int, int]],
    probabilities: np.ndarray,
    labels: tuple[str, ...],
    thresholds: dict[str, float],
) -> list[dict]:
    """The spans of a text; `probabilities` are `[tokens, labels]`."""
    kinds = sorted({label[2:] for label in labels if label != "O"})
    begin = np.array([labels.index(f"B-{kind}") for kind in kinds])
    inside = np.array([labels.index(f"I-{kind}") for kind in kinds])
    spans: list[dict] = []
    open_span: dict | None = None
    for start, end, tokens in words(text, offsets):
        votes = probabilities[tokens].mean(0)
        shares = votes[begin] + votes[inside]
        best = int(shares.argmax())
        kind, share = kinds[best], float(shares[best])
        if share < min(thresholds[kind], 0.5):
            open_span = None
            continue
        begins = votes[begin[best]] > votes[inside[best]]
        if open_span is not None and open_span["label"] == kind and not begins:
            open_span["end"] = end
            open_span["shares"].append(share)
        else:
            open_span = {"start": start, "end": end, "label": kind, "shares": [share]}
            spans.append(open_span)
    found = []
    for span in spans:
        score = float(np.mean(span.pop("shares")))
        if score >= thresholds[span["label"]]:
            found.append(span | {"score": score})
    return found
