"""The mean of several runs of one branch that began from the same layers.

    python average.py --models build/run/guard-short build/run/guard-long --out build/run/guard

A shorter run knows its training texts' wording less, a longer one separates better; the mean of their weights keeps
most of both (Wortsman et al., "Model soups", 2022).
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def mean(models: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tensor by tensor; raises `ValueError` if the models are not of the same tensors."""
    if any(set(model) != set(models[0]) for model in models):
        raise ValueError("the models have not the same tensors")
    return {name: np.mean([model[name] for model in models], axis=0, dtype=np.float32) for name in models[0]}


def record(records: list[dict]) -> dict:
    """The last run's record, with the steps of all of them and their times together."""
    times = {key: sum(run[key] for run in records) for key in ("wall_s", "cpu_s") if all(key in run for run in records)}
    return records[-1] | times | {"steps": [run["steps"] for run in records]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(mean([load_file(run / "model.safetensors") for run in args.models]), args.out / "model.safetensors")
    runs = [json.loads((run / "training.json").read_text(encoding="utf-8")) for run in args.models]
    (args.out / "training.json").write_text(json.dumps(record(runs), indent=1) + "\n")
    shutil.copy(args.models[-1] / "spec.json", args.out)


if __name__ == "__main__":
    main()
