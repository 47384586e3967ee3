"""Prints the numbers of the model cards from the test files.

    python evaluate.py --data build --command "commutator classify --jsonl" --out build/scores.json
    python evaluate.py --data build --python ../bundle --out build/scores.json

The first asks the product, with its rules and its normalisation; the second runs the bundle's weights alone.
`--part dev` takes the development files, for choosing; the test files are for looking at once, at the end; so are those
of `--part fresh`, which somebody else wrote. `--long FILE` adds what the guard says of the long texts that
`data/guard/long_texts.py` made, alone and with a text of the part in the middle of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from classify import Classify, by_command, by_python
from dataset import read_rows, spread
from metrics import auc, by_kind, false_sensitive, guard_group, macro_f1, shares, span_scores
from verdicts import buried, long_texts


def domain(classify: Classify, rows: list[dict]) -> dict:
    """Accuracy and macro-F1; exam questions and chat-style prompts apart."""
    found = [answer["domain"]["label"] for answer in classify([row["text"] for row in rows])]
    truth = [row["label"] for row in rows]
    right = np.array([t == f for t, f in zip(truth, found, strict=True)])
    kinds = by_kind(rows, right)
    sources = {name: 1 - entry["flagged"] for name, entry in shares(rows, ~right, lambda row: row["src"]).items()}
    return {"accuracy": float(right.mean()), "macro_f1": macro_f1(truth, found), **kinds, "sources": sources}


def guard(classify: Classify, rows: list[dict]) -> dict:
    """AUC; recall and false positives, in all and by source, language and group."""
    answers = [answer["jailbreak"] for answer in classify([row["text"] for row in rows])]
    flagged = np.array([answer["label"] == "jailbreak" for answer in answers])
    scores = np.array([answer["score"] for answer in answers])
    attack = np.array([row["label"] == "jailbreak" for row in rows])
    attacks = [row for row, yes in zip(rows, attack, strict=True) if yes]
    benign = [row for row, yes in zip(rows, attack, strict=True) if not yes]
    return {
        "auc": auc(scores, attack),
        "recall": float(flagged[attack].mean()),
        "false_positives": float(flagged[~attack].mean()),
        "recall_at_2_percent": float((scores[attack] > np.quantile(scores[~attack], 0.98)).mean()),
        "benign_groups": shares(benign, flagged[~attack], guard_group),
        "benign_sources": shares(benign, flagged[~attack], lambda row: row["src"]),
        "benign_languages": shares(benign, flagged[~attack], lambda row: row["lang"]),
        "attack_sources": shares(attacks, flagged[attack], lambda row: row["src"]),
        "attack_languages": shares(attacks, flagged[attack], lambda row: row["lang"]),
    }


def pii(classify: Classify, rows: list[dict], benign: list[dict]) -> dict:
    """Spans by overlap; sensitive types found where there are none, in the PII texts and in the guard's benign ones."""
    found = [answer["pii"] for answer in classify([row["text"] for row in rows])]
    scores = span_scores([row["spans"] for row in rows], found)
    empty = [spans for row, spans in zip(rows, found, strict=True) if not row["spans"]]
    scores["false_sensitive_in_texts_without_pii"] = false_sensitive(empty)
    ordinary = [row["text"] for row in benign if row["label"] == "benign" and row["lang"] == "en"]
    answers = [answer["pii"] for answer in classify(ordinary)]
    scores["false_sensitive_in_ordinary_english"] = false_sensitive(answers)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds guard/, domain/ and pii/")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--command", help="the product's command, which reads JSONL and writes JSONL")
    way.add_argument("--python", type=Path, metavar="BUNDLE", help="run this bundle in Python")
    parser.add_argument("--part", default="test", choices=("dev", "test", "fresh"))
    parser.add_argument("--tasks", nargs="+", default=["domain", "guard", "pii"], choices=("domain", "guard", "pii"))
    parser.add_argument("--rows", type=int, help="so many texts of each file, evenly spread; all without it")
    parser.add_argument("--buried", type=int, default=20, help="attacks (and benign texts) to bury; 0 for none")
    parser.add_argument("--long", type=Path, help="long harmless texts")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    # The guard's harmless texts are read for PII too.
    needed = {*args.tasks, *(("guard",) if "pii" in args.tasks else ())}
    rows = {task: spread(read_rows(args.data / task / f"{args.part}.jsonl"), args.rows) for task in needed}
    ways = {task: by_command(args.command) if args.command else by_python(task, args.python) for task in args.tasks}

    scores: dict = {"part": args.part, "by": "command" if args.command else "python"}
    scores["rows"] = {task: len(rows[task]) for task in ways}
    if "domain" in ways:
        scores["domain"] = domain(ways["domain"], rows["domain"])
    if "guard" in ways:
        scores["guard"] = guard(ways["guard"], rows["guard"])
        if args.buried:
            hidden = buried(ways["guard"], rows["guard"], args.buried)
            scores["guard"].update({"buried": hidden} if hidden else {})
        if args.long:
            scores["guard"]["long"] = long_texts(ways["guard"], read_rows(args.long), rows["guard"], args.buried)
    if "pii" in ways:
        scores["pii"] = pii(ways["pii"], rows["pii"], rows["guard"])
    text = json.dumps(scores, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
