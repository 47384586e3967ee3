"""Builds train.jsonl, dev.jsonl, test.jsonl, fresh.jsonl and pool.jsonl of the guard's data.

    python -m models.training.data.guard.build --cache CACHE --domain DOMAIN --out OUT

CACHE is what `fetch` and `fetch_offlimits` filled, DOMAIN the folder with MMLU-Pro's
train and dev part. The same inputs give the same files.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import random
from pathlib import Path

from . import (
    attacks_external,
    benign_external,
    documents,
    foreign,
    guides,
    mix,
    offlimits,
    passages,
    prose,
    siblings,
    written,
)
from .grammar import Family, Grammar
from .rows import Row
from .text import clean, fingerprint, for_dev, ngrams, size, stable, windows, words

SEED = 20
HERE = Path(__file__).parent
# Rows drawn for a template line of weight 1.
PER_LINE = {"jailbreak": 12, "benign": 10}
FAMILY_CAP = {"train": 420, "dev": 90, "test": 120}
# How often a ten-word run may come again in texts of our own grammars, which share frames.
GENERATED_REPEATS = 14


def generated() -> list[Row]:
    """Everything that our own grammars make."""
    rows: list[Row] = []
    for path in sorted((HERE / "grammars").glob("*.gram")):
        grammar = Grammar()
        if path.stem.startswith("en"):
            grammar.read(HERE / "grammars" / "en.slots")
        grammar.read(path)
        if not path.stem.startswith("en"):
            shared = len(grammar.families)
            grammar.read(HERE / "grammars" / "multi.shared")
            for family in grammar.families[shared:]:
                family.lang, family.split = path.stem, grammar.families[0].split
        for family in [part for whole in grammar.families for part in _parts(whole)]:
            count = min(
                int(len(family.lines) * PER_LINE[family.label] * family.weight),
                int(FAMILY_CAP[family.split] * family.weight),
            )
            for text in grammar.sample(family, count, SEED):
                pieces = windows(text) if size(text) > 124 else [text]
                if family.label == "jailbreak" and len(pieces) > 1:
                    pieces = [p for p in pieces if attacks_external.CUE.search(p)] or pieces[:1]
                for piece in pieces[:2]:
                    rows.append(
                        Row(piece, family.label == "jailbreak", f"gen/{family.name}", family.lang, family.split)
                    )
    return rows


def _parts(family: Family) -> list[Family]:
    """A training family without one template in fourteen, and those for development."""
    if family.split != "train":
        return [family]
    held = [line for line in family.lines if for_dev(family.lang + line)]
    rest = [line for line in family.lines if line not in held]
    parts = [
        dataclasses.replace(family, lines=rest),
        dataclasses.replace(family, lines=held, split="dev", weight=family.weight / 2),
    ]
    return [part for part in parts if part.lines]


def gather(unpacked: Path, debian: Path, domain: Path) -> list[Row]:
    """Every row of every source, before anything is dropped."""
    rows = generated()
    for source in (
        attacks_external.slabs,
        attacks_external.neuralchemy,
        attacks_external.prompt_armor,
        benign_external.questions,
        benign_external.role_prompts,
        benign_external.writing,
        benign_external.pii_templates,
        foreign.catalogues,
    ):
        rows.extend(source(unpacked))
    rows.extend(benign_external.exam(domain))
    rows.extend(foreign.fortunes(debian))
    rows.extend(foreign.manpages(debian))
    rows.extend(prose.articles(unpacked))
    rows.extend(prose.manuals(debian))
    rows.extend(prose.quotations(debian))
    rows.extend(documents.code(unpacked))
    rows.extend(documents.records(unpacked))
    rows.extend(documents.manuals(debian))
    rows.extend(documents.held(debian))
    rows.extend(guides.training(debian))
    rows.extend(guides.held(debian))
    rows.extend(written.training(HERE / "written"))
    rows.extend(passages.training(HERE / "passages"))
    rows.extend(siblings.prompts())
    rows.extend(siblings.customers())
    return rows


def without_withheld(rows: list[Row], index: object, short: set[str], dropped: collections.Counter) -> list[Row]:
    """Rows that share no ten-word run with an off-limits text, nor equal a short one."""
    kept = []
    for row in rows:
        tokens = words(row.whole or row.text)
        if offlimits.shares_run(index, list(ngrams(tokens))) or (row.attack and " ".join(words(row.text)) in short):
            dropped[f"off-limits {row.src}"] += 1
        else:
            kept.append(row)
    return kept


def by_hand(row: Row) -> bool:
    """Whether the text was written for training one by one, by another hand than the grammars."""
    return row.src.startswith(("written/", "passage/", "prompts", "customers"))


def distinct(rows: list[Row], dropped: collections.Counter) -> list[Row]:
    """Rows without equal texts and near copies; one text with two labels goes altogether."""
    labels: dict[str, set[bool]] = collections.defaultdict(set)
    for row in rows:
        labels[fingerprint(words(row.text))].add(row.attack)
    seen: set[str] = set()
    bags: set[str] = set()
    runs: collections.Counter = collections.Counter()
    kept = []
    # What was written by hand comes late, so that it never takes the place of another source's row; the pool last.
    for row in sorted(rows, key=lambda r: (r.split == "pool", by_hand(r), stable(r.text))):
        tokens = words(row.text)
        mark = fingerprint(tokens)
        bag = " ".join(sorted(set(tokens)))
        grams = list(ngrams(tokens))
        limit = GENERATED_REPEATS if row.src.startswith("gen/") else 1
        repeated = sum(runs[g] >= limit for g in grams)
        if len(labels[mark]) > 1 or mark in seen or bag in bags or (grams and repeated > len(grams) / 2):
            dropped[f"copy {row.src}"] += 1
            continue
        seen.add(mark)
        bags.add(bag)
        runs.update(grams)
        kept.append(row)
    return kept


def marks(rows: list[Row]) -> set[object]:
    """What rows are compared by: their whole texts and their runs of ten words."""
    seen: set[object] = set()
    for row in rows:
        tokens = words(row.text)
        seen.add(fingerprint(tokens))
        seen.update(ngrams(tokens))
    return seen


def without(rows: list[Row], seen: set[object], why: str, dropped: collections.Counter) -> list[Row]:
    """The rows that share nothing with `seen`; the others are counted under `why` and their source."""
    kept = []
    for row in rows:
        tokens = words(row.text)
        if fingerprint(tokens) in seen or any(g in seen for g in ngrams(tokens)):
            dropped[f"{why} {row.src}"] += 1
        else:
            kept.append(row)
    return kept


def apart(splits: dict[str, list[Row]], dropped: collections.Counter) -> None:
    """Takes from dev and test what shares a run of ten words or its whole text with train."""
    seen = marks(splits["train"])
    for name in ("dev", "test"):
        splits[name] = without(splits[name], seen, "in train", dropped)


def hand_apart(
    hand: dict[str, list[Row]], splits: dict[str, list[Row]], dropped: collections.Counter
) -> dict[str, list[Row]]:
    """The handwritten rows of train and dev that share nothing with the other parts; here train yields, so that dev
    and test of the other sources stay as they are."""
    dev = without(hand["dev"], marks(splits["train"] + splits["test"]), "in train or test", dropped)
    train = without(hand["train"], marks(splits["dev"] + splits["test"] + dev), "in dev or test", dropped)
    return {"train": train, "dev": dev}


def balance(rows: list[Row], caps: dict[tuple[str, bool], int]) -> list[Row]:
    """At most `caps` rows of a source and class and TRAIN_MOST of a class; what people wrote
    by hand always stays."""
    counts: collections.Counter = collections.Counter()
    kept = []
    for row in sorted(rows, key=lambda r: stable("balance" + r.text)):
        source = (row.src, row.attack)
        if counts[source] < caps.get(source, 10**9):
            counts[source] += 1
            kept.append(row)
    for attack, most in TRAIN_MOST.items():
        surplus = [r for r in kept if r.attack == attack and not r.src.startswith("gen/hand")][most:]
        gone = set(map(id, surplus))
        kept = [r for r in kept if id(r) not in gone]
    return kept


# Before mixes and disguises, which add about 15 %.
TRAIN_MOST = {True: 14_500, False: 26_800}
TRAIN_CAPS = {
    ("slabs", True): 2600,
    ("slabs", False): 5000,
    ("neuralchemy", True): 1300,
    ("neuralchemy", False): 400,
    ("prompt-armor/llmail-inject", True): 900,
    ("mmlu-pro", False): 900,
    ("writingbench", False): 700,
}


def write(path: Path, rows: list[Row], seed: str) -> None:
    """The rows, shuffled by a fixed seed, replacing the file at once."""
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.record(), ensure_ascii=False) + "\n")
    os.replace(part, path)


def _head(src: str) -> str:
    """The source as the report counts it: mixes and disguises without the source of what was mixed."""
    first, _, rest = src.partition("/")
    if first not in {"buried", *mix.DISGUISES}:
        return src
    return f"{first}/written" if rest.startswith("written/") else first


def report(splits: dict[str, list[Row]], dropped: collections.Counter) -> dict:
    """Counts by class, source and language, and what was dropped."""
    result: dict = {}
    for name, rows in splits.items():
        sources: dict = collections.defaultdict(lambda: [0, 0])
        langs: dict = collections.defaultdict(lambda: [0, 0])
        for row in rows:
            sources[_head(row.src)][row.attack] += 1
            langs[row.lang][row.attack] += 1
        result[name] = {
            "rows": len(rows),
            "attacks": sum(r.attack for r in rows),
            "sources [benign, attack]": dict(sorted(sources.items())),
            "languages [benign, attack]": dict(sorted(langs.items())),
        }
    result["dropped"] = dict(sorted(dropped.items()))
    return result


def main() -> None:
    """Runs the build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--domain", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    dropped: collections.Counter = collections.Counter()
    unpacked = options.cache / "unpacked"
    rows = [r for r in gather(unpacked, options.cache / "debian", options.domain) if clean(r.text)]
    index, short = offlimits.withheld_index(options.cache / "offlimits", unpacked, options.cache)
    rows = distinct(without_withheld(rows, index, short, dropped), dropped)
    hand = {name: [r for r in rows if r.split == name and by_hand(r)] for name in ("train", "dev")}
    splits = {name: [r for r in rows if r.split == name and not by_hand(r)] for name in ("train", "dev", "test")}
    splits["train"] = balance(splits["train"], TRAIN_CAPS)
    apart(splits, dropped)
    hand = hand_apart(hand, splits, dropped)
    fresh = written.whole(HERE / "test" / "fresh.txt", "fresh", "fresh")
    strangers = without(written.strangers(HERE / "dev"), marks(fresh), "in fresh", dropped)
    seen = marks(fresh + strangers)
    for name in hand:
        hand[name] = without(hand[name], seen, "in fresh", dropped)
    for name, count in (("train", 2000), ("dev", 150), ("test", 200)):
        plain = splits[name]
        carriers = [r for r in plain if not r.attack]
        plain = plain + prose.salad(plain, name, SEED)
        buried = mix.buried(plain, carriers, count, name, SEED)
        splits[name] = plain + buried + mix.disguised(plain, 0.07 if name == "train" else 0.06, name, SEED)
        splits[name] += hand.get(name, [])
        if name == "train":
            own = [row for row in hand[name] if row.src.startswith("written/")]
            splits[name] += written.copies(own, carriers, SEED)
        if name in hand:
            asked = passages.requests(HERE / "passages" / "requests.txt")
            splits[name] += passages.placed(hand[name], carriers, asked, name, SEED)
        if name != "test":
            splits[name] = without(splits[name], seen, "in fresh", dropped)
    splits["dev"] += strangers
    splits["fresh"] = fresh
    others = marks([row for name in ("dev", "test", "fresh") for row in splits[name]])
    splits["pool"] = without([r for r in rows if r.split == "pool"], others, "in dev or test", dropped)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, part in splits.items():
        write(options.out / f"{name}.jsonl", part, name)
    summary = report(splits, dropped)
    (options.out / "report.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), encoding="utf-8")
    for name in splits:
        print(name, summary[name]["rows"], "rows,", summary[name]["attacks"], "attacks")


if __name__ == "__main__":
    main()
