"""Builds the domain classifier's train, dev, test and fresh files. See README.md for what goes where."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import frames  # noqa: E402
import ngrams  # noqa: E402
import wordnet  # noqa: E402
import written  # noqa: E402
from topics import Subject, heldout, subjects  # noqa: E402

SEED = 20250301
PER_TOPIC, PER_PROMPT, PER_NOUN, NOUNS = 4, 7, 2, 330


def part(key: str) -> str:
    """train, dev or test, by the hash of a word, so that a word is in one part only."""
    n = int(hashlib.sha1(key.lower().encode()).hexdigest()[:8], 16) % 20
    return "test" if n == 0 else "dev" if n == 1 else "train"


def row(text: str, label: str, src: str) -> dict:
    """A line of a file."""
    return {"text": " ".join(text.split()), "label": label, "src": src}


def exam(path: Path) -> list[dict]:
    """The rows of an MMLU-Pro file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def options(rng: random.Random, subject: Subject) -> str:
    """Answers to choose from, made of the subject's topics."""
    picks = rng.sample(subject.topics, rng.randint(3, 5))
    form = rng.choice(["{}) ", "({}) ", "{}. "])
    glue = rng.choice([" ", "; ", "\n"])
    return rng.choice([" ", " Options: ", " Choices: "]) + glue.join(
        form.format(chr(65 + i)) + p for i, p in enumerate(picks)
    )


def exam_variants(rng: random.Random, rows: list[dict], by_label: dict[str, Subject]) -> list[dict]:
    """The questions as they are, and some of them cut, roughened, asked politely or with options."""
    out = [row(r["text"], r["label"], "mmlu-pro") for r in rows]
    for r in rows:
        words = r["text"].split()
        kind = rng.random()
        text = ""
        if kind < 0.09 and len(words) > 14:
            text = " ".join(words[: rng.randint(8, 16)])
        elif kind < 0.15:
            text = rng.choice(frames.PREFIXES) + r["text"]
        elif kind < 0.21:
            text = frames.rough(rng, r["text"])
        elif kind < 0.25 and len(words) < 60:
            text = r["text"] + options(rng, by_label[r["label"]])
        elif kind < 0.27 and len(words) > 30:
            text = " ".join(words[-rng.randint(12, 25) :])
        if text:
            out.append(row(text, r["label"], "mmlu-pro/variant"))
    return out


def chat(rng: random.Random, subject: Subject, names: list[str], which: str) -> list[dict]:
    """The chat prompts of a subject that belong to one part."""
    out: list[dict] = []
    topics = [t for t in subject.topics if part(t) == which]
    for topic in topics:
        for _ in range(PER_TOPIC if which == "train" else 2):
            out.append(row(frames.rough(rng, frames.ask(rng, topic)), subject.label, "topic"))
        if rng.random() < 0.35:
            lang = rng.choice(list(frames.FOREIGN_FRAMES))
            out.append(row(rng.choice(frames.FOREIGN_FRAMES[lang]).format(t=topic), subject.label, f"topic/{lang}"))
    nouns = [n for n in names if part(n) == which]
    for noun in nouns:
        for _ in range(PER_NOUN if which == "train" else 1):
            text = frames.ask_noun(rng, noun, rng.choice(nouns))
            out.append(row(frames.rough(rng, text), subject.label, "wordnet"))
    if which == "train":
        for prompt in subject.prompts:
            out.append(row(prompt, subject.label, "prompt"))
            for _ in range(PER_PROMPT - 1):
                out.append(row(frames.rough(rng, prompt), subject.label, "prompt"))
            if rng.random() < 0.4:
                second = rng.choice(subject.prompts)
                out.append(row(f"{prompt} {second}", subject.label, "prompt/two"))
        for lang, prompt in subject.foreign:
            out += [
                row(prompt, subject.label, f"prompt/{lang}"),
                row(prompt.lower(), subject.label, f"prompt/{lang}"),
                row(frames.rough(rng, prompt), subject.label, f"prompt/{lang}"),
            ]
    return out


def by_hand(rng: random.Random, labels: set[str]) -> dict[str, list[dict]]:
    """The prompts of `written/`: those for training with two rough copies each, those for dev as they stand."""
    out: dict[str, list[dict]] = {"train": [], "dev": []}
    for label, lang, text in written.folder(HERE / "written"):
        if label not in labels:
            raise ValueError(f"written/{label}.txt: no such subject")
        src = "written" if lang == "en" else f"written/{lang}"
        dev = written.is_dev(text)
        texts = [text] if dev else [text, *(frames.rough(rng, text, lang == "en") for _ in range(2))]
        out["dev" if dev else "train"] += [row(t, label, src) for t in texts]
    return out


def by_others(path: Path, src: str, labels: set[str]) -> list[dict]:
    """The prompts of a file by people who wrote none for training."""
    found = written.by_subject(path, labels)
    return [row(text, label, src if lang == "en" else f"{src}/{lang}") for label, lang, text in found]


def unique(rows: list[dict], taken: set[str]) -> list[dict]:
    """Rows whose text was not seen yet; `taken` grows."""
    out = []
    for r in rows:
        if len(r["text"]) > 1 and r["text"] not in taken:
            taken.add(r["text"])
            out.append(r)
    return out


def write(path: Path, rows: list[dict]) -> None:
    """Writes a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    os.replace(temporary, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(path.name, len(rows), digest)
    for key in ("label", "src"):
        print("  ", dict(Counter(r[key].split("/")[0] for r in rows).most_common()))


def main() -> None:
    """Reads the arguments and writes the four files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mmlu-pro", type=Path, required=True, help="folder with mmlu-pro-train.jsonl and -dev.jsonl")
    parser.add_argument("--wordnet", type=Path, required=True, help="WordNet's data.noun")
    parser.add_argument("--offlimits", type=Path, help="folder with texts kept for evaluation")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rng = random.Random(SEED)
    everything = subjects(HERE / "train")
    by_label = {s.label: s for s in everything}
    names = wordnet.nouns(args.wordnet, NOUNS)
    held = heldout(HERE / "test" / "prompts.txt")
    taken = {p for _, p in held}
    test = [row(p, label, "heldout") for i, (label, p) in enumerate(held) if i % 2 == 0]
    dev = [row(p, label, "heldout") for i, (label, p) in enumerate(held) if i % 2 == 1]
    train = exam_variants(rng, exam(args.mmlu_pro / "mmlu-pro-train.jsonl"), by_label)
    dev += [row(r["text"], r["label"], "mmlu-pro") for r in exam(args.mmlu_pro / "mmlu-pro-dev.jsonl")]
    for subject in everything:
        for which, rows in (("test", test), ("dev", dev), ("train", train)):
            rows += chat(rng, subject, names[subject.label], which)
    fresh = by_others(HERE / "test" / "fresh.txt", "fresh", set(by_label))
    dev += by_others(HERE / "dev" / "stranger.txt", "stranger", set(by_label))
    hand = by_hand(random.Random(SEED + 1), set(by_label))
    hand["dev"], with_test = ngrams.apart(hand["dev"], (r["text"] for r in test))
    hand["train"], with_dev = ngrams.apart(hand["train"], (r["text"] for r in test + dev + hand["dev"]))
    dev += hand["dev"]
    train, dropped = ngrams.clean(train + hand["train"], args.offlimits)
    print("dropped for a run shared with evaluation:", dropped)
    print("handwritten rows dropped for a run shared with dev or test:", dict(with_test + with_dev))
    held_texts = [r["text"] for r in fresh]
    (train, train_fresh), (dev, dev_fresh) = ngrams.apart(train, held_texts), ngrams.apart(dev, held_texts)
    print("dropped for a run shared with fresh:", dict(train_fresh + dev_fresh))
    test, dev, fresh = unique(test, set()), unique(dev, set()), unique(fresh, set())
    train = unique(train, taken | {r["text"] for r in test + dev + fresh})
    rng.shuffle(train)
    for name, rows in (("train", train), ("dev", dev), ("test", test), ("fresh", fresh)):
        write(args.out / f"{name}.jsonl", rows)


if __name__ == "__main__":
    main()
