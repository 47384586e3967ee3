"""Scores: classification, guards, spans."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from spec import SENSITIVE

EXAMS = "mmlu-pro"
FOREIGN = re.compile(r"/[a-z]{2}$")
LOOK_ALIKES = ("look", "_ok", "mail_dev", "machine", "prompt-forge", "written/", "passage/")
# Of the texts written by hand, these are no look-alikes.
PLAIN = ("written/plain", "written/turn")
# Sources whose texts programs changed: disguised copies (the names of `obfuscate.DISGUISES`), and word salad.
CHANGED = ("leet", "spaced", "homoglyph", "zero-width", "encoded", "typos", "typos2", "shouting", "salad")


def guard_group(row: dict) -> str:
    """Which of the gate's groups a benign text is in; a look-alike is one in whatever language."""
    look = any(word in row["src"] for word in LOOK_ALIKES) and not row["src"].endswith(PLAIN)
    if look:
        return "look-alikes"
    return "ordinary English" if row["lang"] == "en" else "other languages"


def as_written(row: dict) -> bool:
    """Whether somebody wrote a text as it stands. The others teach and test the guard, but no traffic consists of
    them, so they do not decide how many ordinary texts a threshold stops."""
    return row["src"].partition("/")[0] not in CHANGED


def by_kind(rows: list[dict], right: np.ndarray) -> dict[str, float]:
    """The share of right answers in exam questions and in chat-style prompts, and in those of the latter that are not
    English (their source ends in the language); a kind that is not there is left out."""
    exam = np.array([row["src"].startswith(EXAMS) for row in rows])
    foreign = np.array([FOREIGN.search(row["src"]) is not None for row in rows])
    kinds = (("exam", exam), ("chat", ~exam), ("foreign", foreign))
    return {name: float(right[mask].mean()) for name, mask in kinds if mask.any()}


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive scores above a negative; ties count half."""
    order = np.sort(scores[~positive])
    above = np.searchsorted(order, scores[positive], "left") + np.searchsorted(order, scores[positive], "right")
    return float(above.sum() / 2 / len(order) / max(1, positive.sum()))


def macro_f1(truth: list[str], found: list[str]) -> float:
    """The mean F1 of the labels that occur in `truth`."""
    scores = []
    for label in sorted(set(truth)):
        hits = sum(t == f == label for t, f in zip(truth, found, strict=True))
        scores.append(2 * hits / max(1, truth.count(label) + found.count(label)))
    return float(np.mean(scores))


def shares(rows: list[dict], flagged: np.ndarray, key) -> dict[str, dict]:
    """The share of flagged texts of every group that `key` makes of the rows, with the group's size."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for row, flag in zip(rows, flagged, strict=True):
        groups[key(row)].append(bool(flag))
    return {name: {"texts": len(flags), "flagged": float(np.mean(flags))} for name, flags in sorted(groups.items())}


def matches(truth: list[dict], found: list[dict]) -> list[tuple[int, int]]:
    """Pairs of a true and a found span of the same label that share more than half of the longer one."""
    pairs, used = [], set()
    for i, t in enumerate(truth):
        for j, f in enumerate(found):
            common = min(t["end"], f["end"]) - max(t["start"], f["start"])
            longer = max(t["end"] - t["start"], f["end"] - f["start"])
            if j not in used and t["label"] == f["label"] and 2 * common > longer:
                pairs.append((i, j))
                used.add(j)
                break
    return pairs


def span_scores(truth: list[list[dict]], found: list[list[dict]]) -> dict:
    """Precision, recall and F1 over all spans (`micro`) and of every label."""
    hits: dict[str, int] = defaultdict(int)
    wanted: dict[str, int] = defaultdict(int)
    given: dict[str, int] = defaultdict(int)
    for t, f in zip(truth, found, strict=True):
        for i, _ in matches(t, f):
            hits[t[i]["label"]] += 1
        for span in t:
            wanted[span["label"]] += 1
        for span in f:
            given[span["label"]] += 1
    labels = sorted(set(wanted) | set(given))
    rows = {label: _f1(hits[label], wanted[label], given[label]) for label in labels}
    return {"micro": _f1(sum(hits.values()), sum(wanted.values()), sum(given.values())), "labels": rows}


def _f1(hits: int, wanted: int, given: int) -> dict:
    return {
        "precision": hits / max(1, given),
        "recall": hits / max(1, wanted),
        "f1": 2 * hits / max(1, given + wanted),
        "true": wanted,
    }


def false_sensitive(found: list[list[dict]]) -> float:
    """The share of texts (benign ones) in which a sensitive type was found."""
    return float(np.mean([any(span["label"] in SENSITIVE for span in spans) for spans in found]))
