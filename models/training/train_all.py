"""Rebuilds the bundle: encoder, three branches, int8, thresholds, export, scores, cards.

    python train_all.py --data build --bundle ../bundle

`--data` holds `guard/`, `domain/` and `pii/` with the files that the builders under `data/` write. The settings are
those of the committed bundle; the same data gives the same weights. README.md says how long it took. What training,
int8 and calibration recorded goes to `records/`, from which the cards can be written again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
RECORDS = HERE / "records"
# The runs of each branch; the mean of several is taken. An epoch is a little more than two thousand steps of the guard
# and a little more than one thousand of the others.
RUNS: dict[str, list[list[str]]] = {
    "guard": [["--steps", "1100"], ["--epochs", "2", "--steps", "2400"]],
    "pii": [["--steps", "1000"]],
    "domain": [[], ["--epochs", "2", "--steps", "1600"]],
}

# A last, short run from that mean, at a lower rate. What is taken lies two thirds of the way: the mean finds more attacks
# of sources that training has nothing of, the last run flags fewer of the short turns of a chat.
LAST: dict[str, list[str]] = {"guard": ["--rate", "1e-4", "--steps", "400"]}


def run(script: str, *arguments: str | Path) -> None:
    """Runs one of the scripts beside this one; stops everything if it fails."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    print("$", script, *map(str, arguments), flush=True)
    subprocess.run(command, check=True, cwd=HERE)


def keep_records(out: Path, task: str) -> None:
    """Copies what the branch's scripts recorded to where it is committed."""
    (RECORDS / task).mkdir(parents=True, exist_ok=True)
    for name in ("spec", "training", "quantize", "calibration"):
        shutil.copy(out / f"{name}.json", RECORDS / task)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=HERE / "build")
    parser.add_argument("--keep", action="store_true", help="do not train again what is already trained")
    args = parser.parse_args()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(args.work.resolve() / "compiled"))
    data, bundle, work = args.data.resolve(), args.bundle.resolve(), args.work.resolve()
    encoder, runs, started = work / "encoder", work / "run", time.monotonic()
    if not (args.keep and (encoder / "model.safetensors").exists()):
        run("fetch_encoder.py", "--out", encoder)
    for task, each in RUNS.items():
        out = runs / task
        files = ("--encoder", encoder, "--data", data / task)
        parts = [runs / f"{task}-{number}" for number in range(len(each))]
        for part, extra in zip(parts, each, strict=True):
            if not (args.keep and (part / "training.json").exists()):
                run("train.py", "--task", task, *files, "--out", part, *extra)
        mean = runs / f"{task}-mean" if task in LAST else out
        run("average.py", "--models", *parts, "--out", mean)
        if task in LAST:
            last = runs / f"{task}-last"
            if not (args.keep and (last / "training.json").exists()):
                run("train.py", "--task", task, *files, "--start", mean, "--out", last, *LAST[task])
            run("average.py", "--models", mean, last, last, "--out", out)
        run("quantize.py", "--model", out, *files)
        run("calibrate.py", "--model", out, *files)
        keep_records(out, task)
    run("export.py", "--encoder", encoder, *(x for task in RUNS for x in (f"--{task}", runs / task)), "--out", bundle)
    scores = work / "scores.json"
    run("evaluate.py", "--data", data, "--python", bundle, "--out", scores)
    run("cards.py", "--bundle", bundle, "--run", RECORDS, "--scores", scores)
    print(f"done in {(time.monotonic() - started) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
