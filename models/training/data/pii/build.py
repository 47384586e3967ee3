"""Builds the PII token classifier's files: train, dev, test, fresh. See README.md for the conventions and the parts."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOMAIN = HERE.parent / "domain"
sys.path[:0] = [str(HERE), str(HERE.parent), str(DOMAIN)]

import fill  # noqa: E402
import frames  # noqa: E402
import marks  # noqa: E402
import ngrams  # noqa: E402
import noise  # noqa: E402
import presidio  # noqa: E402
import vet  # noqa: E402
from topics import subjects  # noqa: E402
from values import Values  # noqa: E402

SEED = 20250302
# Fills of each template of a kind, and teacher's sentences of each source.
FILLS = {"chat": 16, "mail": 24, "support": 22, "records": 20, "documents": 22, "prose": 26, "transcript": 18}
FILLS_PRESIDIO, FILLS_FOREIGN, FILLS_NUMBERS, FILLS_WORDS = 22, 12, 12, 3
COPIES_MARKED = 4
# What texts may be marked with.
KNOWN = frozenset(fill.LABELS.values())
TAUGHT = {"writingbench": 4200, "mmlu-pro": 3600, "prompt": 700}


# Subjects whose German prompts name people or places; German nouns have capitals, so that nothing else tells.
PEOPLE = {"history", "philosophy", "psychology", "other", "law", "physics", "math"}


class Maker:
    """Rows out of templates, for one part of the data."""

    def __init__(self, seed: int, stock: dict[str, list[str]]) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.stock = stock
        self.values: dict[str, Values] = {}

    def row(self, template: str, src: str, lang: str = "en", rough: bool = True) -> dict:
        """One fill."""
        if lang not in self.values:
            self.values[lang] = Values(self.seed + len(self.values), lang, self.stock)
        text, spans = fill.fill(template, self.values[lang])
        if rough:
            text, spans = noise.rough(self.rng, text, spans)
        return {"text": text, "spans": spans, "src": src, "lang": lang}


def is_dev(template: str) -> bool:
    """One template in twelve is for dev alone."""
    return int(hashlib.sha1(template.encode()).hexdigest()[:6], 16) % 12 == 5


def read(path: Path) -> dict[str, list[str]]:
    """The templates of a file by section; none if it is not there."""
    return fill.read(path) if path.exists() else {}


def own(maker: Maker, dev: Maker, files: Path = HERE / "train", src: str = "") -> tuple[list[dict], list[dict]]:
    """Rows of a folder's handwritten templates: those for training and those for dev. With `src` that and the section
    name their source."""
    train_rows, dev_rows = [], []

    def add(template: str, kind: str, lang: str, count: int) -> None:
        source = f"{src}/{kind.split('/')[1]}" if src else kind
        if is_dev(template):
            dev_rows.extend(dev.row(template, source, lang, rough=i == 2) for i in range(3))
        else:
            train_rows.extend(maker.row(template, source, lang, rough=i > 1) for i in range(count))

    for section, templates in read(files / "english.txt").items():
        for template in templates:
            add(template, f"template/{section}", "en", FILLS[section])
    for lang, templates in read(files / "foreign.txt").items():
        for template in templates:
            add(template, "template/foreign", lang, FILLS_FOREIGN)
    for section, templates in read(files / "negatives.txt").items():
        for template in templates:
            slots = fill.SLOT.search(template)
            count = FILLS_NUMBERS if slots else FILLS_WORDS
            add(template, f"negative/{section}", "xx" if section == "foreign" else "en", count)
    return train_rows, dev_rows


def plain_prompts(rng: random.Random, count: int) -> list[dict]:
    """Chat prompts on topics without a capital letter: nothing in them is a name."""
    topics = [t for s in subjects(DOMAIN / "train") for t in s.topics if t.islower()]
    return [
        {
            "text": frames.rough(rng, frames.ask(rng, rng.choice(topics))),
            "spans": [],
            "src": "negative/topic",
            "lang": "en",
        }
        for _ in range(count)
    ]


def foreign_prompts() -> list[dict]:
    """German, French and Spanish chat prompts without names: only the first letter and acronyms are capitals."""
    out = []
    for subject in subjects(DOMAIN / "train"):
        for lang, prompt in subject.foreign:
            words = prompt.split()[1:]
            if lang == "de" and subject.label in PEOPLE:
                continue
            if lang != "de" and any(w.istitle() for w in words):
                continue
            for text in (prompt, prompt.lower()):
                out.append({"text": text, "spans": [], "src": "negative/foreign", "lang": lang})
    return out


def combined(rng: random.Random, rows: list[dict], count: int, src: str = "combined") -> list[dict]:
    """Longer texts: two to four rows of one language, seldom a dozen, so that names stand amid other text."""
    by_lang = defaultdict(list)
    for r in rows:
        by_lang["en" if r["lang"] == "xx" else r["lang"]].append(r)
    out = []
    for _ in range(count):
        lang = rng.choices(list(by_lang), weights=[len(v) for v in by_lang.values()])[0]
        size = rng.randint(6, 12) if rng.random() < 0.12 else rng.randint(2, 4)
        picks = rng.choices(by_lang[lang], k=size)
        text, spans = noise.join([(p["text"], p["spans"]) for p in picks], rng.choice([" ", "\n", "\n\n"]))
        out.append({"text": text, "spans": spans, "src": src, "lang": lang})
    return out


def marked(folder: Path, rng: random.Random) -> tuple[list[dict], list[dict]]:
    """Texts whose personal data was written along with them, and copies with values of one another; one run of
    neighbours in twelve is for dev alone, and its values too."""
    train, dev = [], []
    for path in sorted(folder.glob("marked*.txt")):
        for number, row in enumerate(marks.read(path, KNOWN)):
            row["src"] = "written/marked"
            (dev if is_dev(f"{path.name} {number // 8}") else train).append(row)
    stock, copies = marks.values(train), []
    for row in train:
        # Without values there would be nothing but equal copies.
        for _ in range(COPIES_MARKED if row["spans"] else 1):
            text, spans = noise.rough(rng, *marks.swapped(rng, row, stock))
            copies.append({**row, "text": text, "spans": spans})
    return train + copies, dev


def by_hand(presidio_data: Path, others: list[dict]) -> tuple[list[dict], list[dict]]:
    """Rows of the templates in `written/`, with values of their own, so that all other rows stay as they are; some of
    them also in longer texts, with as many of the other training rows."""
    stocks = [presidio.stock(presidio_data, part) for part in ("train", "dev")]
    makers = [Maker(SEED + 1000 + 100 * i, stock) for i, stock in enumerate(stocks)]
    train, dev = own(*makers, HERE / "written", "written")
    rng = random.Random(SEED + 1000)
    marked_train, marked_dev = marked(HERE / "written", rng)
    train, dev = train + marked_train, dev + marked_dev
    pool = train + rng.sample(others, min(len(others), len(train)))
    return train + combined(rng, pool, len(train) // 15, "written/combined"), dev


def taught(path: Path, lexicon: vet.Lexicon) -> dict[str, list[dict]]:
    """The teacher's sentences by part."""
    found: dict[str, list[dict]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if vet.keep(record, lexicon):
            found[record.pop("part")].append(record)
    return found


def pick(rng: random.Random, rows: list[dict], count: int) -> list[dict]:
    """Some of the rows; those with names more often than those without."""
    full = [r for r in rows if r["spans"]]
    empty = [r for r in rows if not r["spans"]]
    rng.shuffle(full)
    rng.shuffle(empty)
    share = int(count * 0.6)
    return full[:share] + empty[: count - min(share, len(full))]


def check(rows: list[dict]) -> None:
    """Spans must be inside their text, in order, apart, not empty and without space at the ends."""
    for r in rows:
        r["spans"].sort(key=lambda s: s["start"])
        end = 0
        for s in r["spans"]:
            piece = r["text"][s["start"] : s["end"]]
            if s["start"] < end or not piece or piece != piece.strip():
                raise ValueError(f"bad span {s} in {r}")
            end = s["end"]


def finish(rows: list[dict], taken: set[str]) -> list[dict]:
    """Texts that were not taken yet; `taken` grows."""
    out = []
    for r in rows:
        if r["text"].strip() and r["text"] not in taken:
            taken.add(r["text"])
            out.append(r)
    check(out)
    return out


def write(path: Path, rows: list[dict]) -> None:
    """Writes a file in one step and prints what is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    os.replace(temporary, path)
    print(path.name, len(rows), hashlib.sha256(path.read_bytes()).hexdigest())
    print("   empty:", sum(not r["spans"] for r in rows))
    print("   labels:", dict(Counter(s["label"] for r in rows for s in r["spans"]).most_common()))
    print("   sources:", dict(Counter(r["src"] for r in rows).most_common()))
    print("   languages:", dict(Counter(r["lang"] for r in rows).most_common()))


def main() -> None:
    """Reads the arguments and writes the four files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presidio", type=Path, required=True, help="presidio-evaluator's raw_data folder")
    parser.add_argument("--taught", type=Path, required=True, help="what teacher.py wrote")
    parser.add_argument("--wordnet", type=Path, required=True, help="WordNet's data.noun")
    parser.add_argument("--offlimits", type=Path, help="folder with texts kept for evaluation")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rng = random.Random(SEED)
    makers = {
        p: Maker(SEED + 100 * i, presidio.stock(args.presidio, p)) for i, p in enumerate(("train", "dev", "test"))
    }
    train, dev = own(makers["train"], makers["dev"])
    for template in presidio.templates(args.presidio / "templates.txt"):
        if is_dev(template):
            dev += [makers["dev"].row(template, "presidio", rough=i == 2) for i in range(3)]
        else:
            count = FILLS_PRESIDIO if fill.SLOT.search(template) else 4
            train += [makers["train"].row(template, "presidio", rough=i > 3) for i in range(count)]
    sentences = taught(args.taught, vet.Lexicon(args.wordnet, presidio.stock(args.presidio, "train")))
    for source, count in TAUGHT.items():
        train += pick(rng, [r for r in sentences["train"] if r["src"] == source], count)
    dev += pick(rng, sentences["dev"], 500)
    train += plain_prompts(rng, 700) + foreign_prompts()
    train += combined(rng, train, 1500)
    test = pick(rng, sentences["test"], 300)
    for section, templates in fill.read(HERE / "test" / "templates.txt").items():
        for template in templates:
            src, lang = ("negative", "en") if section == "neg" else ("template", section)
            test += [makers["test"].row(template, src, lang, rough=i > 3) for i in range(6)]
    fresh = marks.read(HERE / "test" / "fresh.txt", KNOWN)
    strangers = [
        {**row, "src": "stranger"} for path in sorted((HERE / "dev").glob("*.txt")) for row in marks.read(path, KNOWN)
    ]
    hand, hand_dev = by_hand(args.presidio, train)
    hand_dev, with_test = ngrams.apart(hand_dev, (r["text"] for r in test))
    hand, with_dev = ngrams.apart(hand, (r["text"] for r in test + dev + hand_dev))
    dev += hand_dev
    train, dropped = ngrams.clean(train + hand, args.offlimits)
    print("dropped for a run shared with evaluation:", dropped)
    print("handwritten rows dropped for a run shared with dev or test:", dict(with_test + with_dev))
    held_texts = [r["text"] for r in fresh]
    dev, dev_fresh = ngrams.apart(dev + strangers, held_texts)
    train, train_fresh = ngrams.apart(train, held_texts + [r["text"] for r in strangers])
    print("dropped for a run shared with fresh:", dict(train_fresh + dev_fresh))
    taken: set[str] = set()
    fresh = finish(fresh, taken)
    test = finish(test, taken)
    dev = finish(dev, taken)
    train = finish(train, taken)
    rng.shuffle(train)
    for name, rows in (("train", train), ("dev", dev), ("test", test), ("fresh", fresh)):
        write(args.out / f"{name}.jsonl", rows)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Some of faker's lists come out of sets, whose order hangs on this.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    main()
