"""Harmless guides and handbooks: whole books of orders to a reader, about systems, files, rights and rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .prose import cut
from .rows import Row
from .text import plain


@dataclass(frozen=True)
class Guide:
    """A book in HTML."""

    package: str
    pages: str
    windows: int


GUIDES = (
    Guide("aptitude-doc-en", "usr/share/doc/aptitude/html/en/*.html", 100),
    Guide("bash-doc", "usr/share/doc/bash/bash*.html", 60),
    Guide("debian-faq", "usr/share/doc/debian/FAQ/*.en.html", 60),
    Guide("debian-reference-en", "usr/share/debian-reference/*.en.html", 160),
    Guide("exim4-doc-html", "usr/share/doc/exim4-doc-html/spec_html/*.html", 200),
    Guide("gimp-help-en", "usr/share/gimp/2.0/help/en/*.html", 240),
    Guide("maint-guide", "usr/share/doc/maint-guide/html/*.en.html", 60),
    Guide("octave-doc", "usr/share/doc/octave/octave.html/*.html", 160),
    Guide("r-doc-html", "usr/share/R/doc/manual/*.html", 160),
)
# For development alone.
HELD = Guide("developers-reference", "usr/share/developers-reference/*.html", 240)
# Windows of one page; a page may be a book.
MOST = 12


def _pages(debian: Path, guide: Guide) -> Iterator[str]:
    """The pages' words."""
    found = [path for path in sorted((debian / guide.package).glob(guide.pages)) if not path.is_symlink()]
    if not found:
        raise FileNotFoundError(f"no {guide.pages} in {guide.package}")
    yield from (plain(path.read_text(encoding="utf-8", errors="replace")) for path in found)


def training(debian: Path) -> Iterator[Row]:
    """Windows of all guides but the one held back."""
    for guide in GUIDES:
        yield from cut(_pages(debian, guide), guide.windows, f"guide/{guide.package}", most=MOST)


def held(debian: Path) -> Iterator[Row]:
    """The windows of a guide that only development sees."""
    for row in cut(_pages(debian, HELD), HELD.windows, f"guide/{HELD.package}", most=10**6):
        if row.split != "pool":
            yield Row(row.text, False, row.src, "en", "dev", row.whole)
