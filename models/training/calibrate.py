"""Temperature and thresholds, chosen on the development set with the int8 weights.

    python calibrate.py --model build/run/guard --encoder build/encoder --data build/guard

writes `calibration.json`. The guard's threshold is the lowest that keeps every group of benign texts, as somebody wrote
them, at or below its target; its operating points are thresholds for a few rates over the same texts. A PII type's
threshold is the one with the best F1, high for those that rules find better.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from dataset import plain_rows, spread
from metrics import as_written, auc, by_kind, guard_group, span_scores
from model import load_trained
from predict import Runner, softmax
from spans import decode
from spec import PII_TYPES, SENSITIVE, Spec
from thresholds import operating_points, threshold_for

TEMPERATURES = np.round(np.geomspace(0.4, 2.5, 30), 3)
# Shares of benign texts that may be flagged: about two thirds of the gates (1.5, 4 and 15 %).
TARGETS = {"ordinary English": 0.01, "other languages": 0.03, "look-alikes": 0.1}
LOWEST, HIGHEST = 0.5, 0.97
# Rules with checksums and formats find these; the model may add only what it is sure of. Of driving licences, which
# have a format a state and no checksum, it knows more than the rules.
RULED = (*(kind for kind in SENSITIVE if kind != "US_DRIVER_LICENSE"), "DOMAIN_NAME")
RULED_THRESHOLD = 0.95
STEPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def best_temperature(logits: np.ndarray, target: np.ndarray) -> float:
    """The temperature with the least negative log likelihood."""
    rows = np.arange(len(target))
    losses = [-np.log(softmax(logits / t)[rows, target] + 1e-9).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def domain(runner: Runner, rows: list[dict]) -> dict:
    """The temperature, and the accuracy on the development set."""
    logits = np.stack([windows.mean(0) for windows in runner.sequence_logits([row["text"] for row in rows])])
    target = np.array([runner.spec.labels.index(row["label"]) for row in rows])
    right = logits.argmax(1) == target
    dev = {"accuracy": float(right.mean()), **by_kind(rows, right)}
    return {"temperature": best_temperature(logits, target), "dev": dev}


def guard(runner: Runner, rows: list[dict]) -> dict:
    """Temperature, threshold and operating points, and what they give on the development set."""
    windows = runner.sequence_logits([row["text"] for row in rows])
    worst = np.stack([logits[np.argmax(logits[:, 1] - logits[:, 0])] for logits in windows])
    attack = np.array([row["label"] == "jailbreak" for row in rows])
    temperature = best_temperature(worst, attack.astype(int))
    scores = softmax(worst / temperature)[:, 1]
    benign = [
        (row, score) for row, score in zip(rows, scores, strict=True) if row["label"] == "benign" and as_written(row)
    ]
    groups = {
        name: threshold_for(np.array([s for row, s in benign if guard_group(row) == name]), share)
        for name, share in TARGETS.items()
        if any(guard_group(row) == name for row, _ in benign)
    }
    threshold = float(np.ceil(np.clip(max(groups.values()), LOWEST, HIGHEST) * 1000) / 1000)
    dev = {
        "auc": auc(scores, attack),
        "recall": float((scores[attack] >= threshold).mean()),
        "false_positives": float((scores[~attack] >= threshold).mean()),
        "threshold_by_group": groups,
        "recall_at": {str(t): float((scores[attack] >= t).mean()) for t in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)},
    }
    points = operating_points(np.array([score for _, score in benign]))
    dev["recall_at_rate"] = {str(rate): float((scores[attack] >= cut).mean()) for rate, cut in points}
    return {"temperature": temperature, "threshold": threshold, "operating_points": points, "dev": dev}


def pii(runner: Runner, rows: list[dict]) -> dict:
    """Temperature and a threshold a type."""
    texts = [row["text"] for row in rows]
    truth = [row["spans"] for row in rows]
    tokens = runner.token_logits(texts)
    tried = {}
    for step in STEPS:
        limits = dict.fromkeys(PII_TYPES, step)
        found = [
            decode(text, offsets, softmax(logits), runner.spec.labels, limits)
            for text, (offsets, logits) in zip(texts, tokens, strict=True)
        ]
        tried[step] = span_scores(truth, found)["labels"]
    thresholds = {}
    for kind in PII_TYPES:
        # Of equally good ones the middle; the highest where a mistake stops a request.
        scored = [
            (tried[step].get(kind, {"f1": 0.0})["f1"], step if kind in SENSITIVE else -abs(step - 0.5), step)
            for step in STEPS
        ]
        thresholds[kind] = RULED_THRESHOLD if kind in RULED else max(scored)[2]
    found = [
        decode(text, offsets, softmax(logits), runner.spec.labels, thresholds)
        for text, (offsets, logits) in zip(texts, tokens, strict=True)
    ]
    return {"temperature": 1.0, "thresholds": thresholds, "dev": span_scores(truth, found)}


def calibrate(spec: Spec, runner: Runner, rows: list[dict]) -> dict:
    """The settings that `export.py` puts into the manifest."""
    return {"domain": domain, "guard": guard, "pii": pii}[spec.task](runner, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, help="so many of the rows, evenly spread; all without it")
    args = parser.parse_args()
    model = load_trained(args.model, args.encoder, "model.int8.safetensors")
    settings = calibrate(
        model.spec, Runner(model, args.encoder), spread(plain_rows(args.data / "dev.jsonl"), args.rows)
    )
    (args.model / "calibration.json").write_text(json.dumps(settings, indent=1) + "\n")
    print(json.dumps(settings, indent=1))


if __name__ == "__main__":
    main()
