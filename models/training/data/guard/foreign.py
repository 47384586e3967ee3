"""Benign texts in other languages: Debian's fortunes and manual pages, and the message
catalogues of web applications, which are full of harmless orders to the reader."""

from __future__ import annotations

import gettext
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from .rows import Row
from .text import clean, size, stable, windows

FORTUNES = {"de": "de", "es": "es", "it": "it", "br": "pt", "pl": "pl", "ru": "ru", "zh": "zh", "cs": "cs", "bg": "bg"}
MANPAGES = {
    "fr": "fr",
    "ja": "ja",
    "tr": "tr",
    "nl": "nl",
    "de": "de",
    "es": "es",
    "pl": "pl",
    "pt-br": "pt",
    "ru": "ru",
    "zh": "zh",
    "cs": "cs",
    "it": "it",
    "vi": "vi",
    "uk": "uk",
}
CATALOGUES = [
    "ar",
    "hi",
    "ko",
    "ja",
    "tr",
    "zh_Hans",
    "ru",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "pt_BR",
    "nl",
    "pl",
    "cs",
    "vi",
    "uk",
    "sv",
    "id",
    "fa",
    "el",
    "he",
    "ro",
    "fi",
    "hu",
    "th",
    "bn",
    "da",
]
# Languages that training never sees; they show whether "foreign" became "attack".
TEST_LANGS = {"bg", "vi", "uk", "el", "ro", "fi", "th", "sv"}
_ROFF = re.compile(r"^[.'].*$", re.M)
_ESCAPE = re.compile(r"\\f(?:\(..|\[[^\]]*\]|.)|\\\((..)|\\&|\\s[+-]?\d")
_TAGS = re.compile(r"<[^>]+>|%\([a-z_]+\)[sd]|\{[^}]*\}|%[sd]")


def _pick(texts: list[str], count: int) -> list[str]:
    return sorted(dict.fromkeys(texts), key=stable)[:count]


def fortunes(debian: Path, count: int = 150) -> Iterator[Row]:
    """Fortune cookies: proverbs, quotations, jokes."""
    for package, lang in FORTUNES.items():
        texts: list[str] = []
        for path in sorted(debian.glob(f"fortunes-{package}/usr/share/games/fortunes/**/*")):
            if not path.is_file() or path.suffix in {".dat", ".u8"} or path.is_symlink():
                continue
            try:
                body = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            body = re.sub(r"\x1b\[[0-9;]*m", "", body)
            texts += [t for t in map(clean, re.split(r"^%\s*$", body, flags=re.M)) if 25 < len(t) < 700]
        yield from _rows(_pick(texts, count), f"fortunes-{package}", lang)


def manpages(debian: Path, count: int = 90) -> Iterator[Row]:
    """Paragraphs of manual pages."""
    for package, lang in MANPAGES.items():
        texts: list[str] = []
        files = sorted(debian.glob(f"manpages-{package}/usr/share/man/*/man*/*.gz"), key=lambda p: stable(p.name))
        for path in files[:400]:
            if path.is_symlink():
                continue
            try:
                body = gzip.decompress(path.read_bytes()).decode("utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            texts += [t.replace("\n", " ") for t in roff_paragraphs(body) if len(t) < 700]
        yield from _rows(_pick(texts, count), f"manpages-{package}", lang)


def roff_paragraphs(body: str) -> list[str]:
    """The paragraphs of a manual page that are mostly letters, without its requests."""
    found = []
    for paragraph in re.split(r"^\.(?:PP|P|LP|TP|IP|SH|SS|RE|RS)\b.*$", body, flags=re.M):
        text = clean(_ESCAPE.sub("", _ROFF.sub("", paragraph)).replace("\\-", "-").replace("\\", ""))
        if len(text) > 40 and len(re.findall(r"[^\W\d_]", text)) > 0.6 * len(text):
            found.append(text)
    return found


def catalogues(folder: Path, count: int = 100) -> Iterator[Row]:
    """Translated messages of Django, Wagtail, Oscar and allauth."""
    for code in CATALOGUES:
        texts: list[str] = []
        for name in ("django", "wagtail", "django_oscar", "django_allauth-0.63.6"):
            for path in sorted((folder / name).glob(f"**/locale/{code}/LC_MESSAGES/django.mo")):
                with path.open("rb") as file:
                    catalogue = gettext.GNUTranslations(file)._catalog  # no public way to list it
                for key, value in catalogue.items():
                    if key and isinstance(value, str):
                        text = clean(_TAGS.sub("", value)).replace("\n", " ")
                        if len(text) > (14 if re.search(r"[\u3040-\u9fff\uac00-\ud7af]", text) else 30):
                            texts.append(text)
        yield from _rows(_pick(texts, count), "web-messages", code.split("_")[0])


def _rows(texts: list[str], src: str, lang: str) -> Iterator[Row]:
    split = "test" if lang in TEST_LANGS else "train"
    for text in texts:
        piece = windows(text)[0] if size(text) > 124 else text
        chosen = "dev" if split == "train" and stable(text) % 25 == 0 else split
        yield Row(piece, False, src, lang, chosen, text)
