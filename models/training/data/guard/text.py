"""Normalising, hashing and cutting texts."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator

_NOT_WORD = re.compile(r"[^\w]+", re.UNICODE)
_ASCII_NOT_WORD = re.compile(r"[^a-z0-9]+")
_SPACES = re.compile(r"[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# Of an HTML page: what is not shown, what ends a line, and every other mark.
_HIDDEN = re.compile(r"<(script|style|head)\b.*?</\1>", re.S | re.I)
_BLOCK = re.compile(r"</?(?:p|div|li|h\d|pre|td|tr|dt|dd|br)\b[^>]*>", re.I)
_TAG = re.compile(r"<[^>]+>")
# Scripts written without spaces: one character counts as one word there.
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")


def clean(text: str) -> str:
    """The text with line ends unified, control characters gone, runs of blanks joined."""
    text = _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _SPACES.sub(" ", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def plain(page: str) -> str:
    """An HTML page's words, a block a line."""
    page = _TAG.sub("", _BLOCK.sub("\n", _HIDDEN.sub(" ", page)))
    return clean("\n".join(line.strip() for line in html.unescape(page).splitlines() if line.strip()))


def words(text: str) -> list[str]:
    """Lower-cased words; a CJK character or Hangul syllable is a word of its own."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = _CJK.sub(r" \1 ", text)
    return _NOT_WORD.sub(" ", text.replace("_", " ")).split()


def ngrams(tokens: list[str], size: int = 10) -> Iterator[int]:
    """64-bit hashes of every run of `size` words."""
    for start in range(len(tokens) - size + 1):
        run = " ".join(tokens[start : start + size])
        digest = hashlib.blake2b(run.encode(), digest_size=8).digest()
        yield int.from_bytes(digest, "big")


def fingerprint(tokens: list[str]) -> str:
    """A hash that equal texts share after normalising, whatever their digits."""
    joined = re.sub(r"\d+", "0", " ".join(tokens))
    return hashlib.sha1(joined.encode()).hexdigest()


def for_dev(key: str) -> bool:
    """Whether what has this key is for dev: one in fourteen."""
    return stable(key) % 14 == 0


def stable(text: str) -> int:
    """A number that depends on the text alone, for splits without a random state."""
    return int(hashlib.sha1(text.encode()).hexdigest()[:8], 16)


def estimate_tokens(piece: str) -> float:
    """About how many word pieces an uncased English vocabulary makes of one word."""
    if piece.isascii():
        letters = sum(c.isalnum() for c in piece)
        return max(1.0, letters / 5.0) + (len(piece) - letters)
    total = 0.0
    for char in unicodedata.normalize("NFC", piece):
        if "\uac00" <= char <= "\ud7af":
            total += 2.4
        elif "\u3040" <= char <= "\u9fff":
            total += 1.0
        elif char.isascii():
            total += 0.4
        else:
            total += 0.8
    return max(1.0, total)


def windows(text: str, tokens: int = 112, overlap: int = 16) -> list[str]:
    """The text cut at blanks (CJK: anywhere) into windows of about `tokens` word pieces."""
    pieces = re.findall(r"\s*(?:[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+)", text)
    costs = [estimate_tokens(p.strip()) for p in pieces]
    result: list[str] = []
    start = 0
    while start < len(pieces):
        total, end = 0.0, start
        while end < len(pieces) and (total + costs[end] <= tokens or end == start):
            total += costs[end]
            end += 1
        result.append("".join(pieces[start:end]).strip())
        if end >= len(pieces):
            break
        back, kept = end, 0.0
        while back > start + 1 and kept < overlap:
            back -= 1
            kept += costs[back]
        start = back
    return [w for w in result if w]


def size(text: str) -> float:
    """About how many word pieces the whole text has."""
    return sum(
        estimate_tokens(p) for p in re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+", text)
    )
