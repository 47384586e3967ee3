"""Harmless texts written by hand for the other classifiers: prompts on all subjects, texts with personal data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..domain import written as domain
from ..pii import marks
from .rows import Row
from .text import for_dev, windows

DATA = Path(__file__).parent.parent


def prompts(folder: Path = DATA / "domain" / "written") -> Iterator[Row]:
    """The domain classifier's prompts."""
    for _, lang, text in domain.folder(folder):
        yield from _rows(text, lang, "prompts")


def customers(folder: Path = DATA / "pii" / "written") -> Iterator[Row]:
    """Texts with marked personal data, without the marks."""
    for path in sorted(folder.glob("marked*.txt")):
        for row in marks.read(path):
            yield from _rows(row["text"], row["lang"], "customers")


def _rows(text: str, lang: str, src: str) -> Iterator[Row]:
    """The windows of a text; one text in fourteen is for dev."""
    split = "dev" if for_dev(text) else "train"
    for piece in windows(text):
        yield Row(piece, False, src, lang, split, "" if piece == text else text)
