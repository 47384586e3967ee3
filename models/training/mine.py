"""The harmless texts of the pool that a guard takes for attacks the most.

    python mine.py --model build/run/guard-stage-1 --encoder build/encoder --data build/guard --out mined.jsonl

A long text is stopped by the one window of many that looks most like an attack, so what counts is the far end of the
harmless texts' scores, which training on a sample hardly shows. (Shrivastava et al., "Training Region-based Object
Detectors with Online Hard Example Mining", 2016, mine the same way.)
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from dataset import plain_rows, spread
from model import load_trained
from predict import Runner, attack_probability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=10_000, help="texts of the pool to look at")
    parser.add_argument("--count", type=int, default=1500)
    args = parser.parse_args()
    rows = spread(plain_rows(args.data / "pool.jsonl"), args.most)
    runner = Runner(load_trained(args.model, args.encoder), args.encoder)
    answers = runner.sequence_logits([row["text"] for row in rows])
    scores = np.array([attack_probability(logits, 1.0) for logits in answers])
    hardest = np.argsort(-scores, kind="stable")[: args.count]
    shares = {str(rate): round(float((scores >= rate).mean()), 5) for rate in (0.5, 0.8, 0.9)}
    print(f"guard: {len(rows)} texts of the pool, shares at a score {shares}, taken down to {scores[hardest[-1]]:.3f}")
    print(f"guard: of {dict(Counter(rows[index]['src'] for index in hardest).most_common())}", flush=True)
    args.out.write_text(
        "".join(json.dumps(rows[index], ensure_ascii=False) + "\n" for index in hardest), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
