"""Rebuilds the bundle: encoders, three branches, int8, thresholds, export, scores, cards.

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
from dataclasses import dataclass
from pathlib import Path

from spec import SPECS
from trunks import TRUNKS

HERE = Path(__file__).parent
RECORDS = HERE / "records"


@dataclass(frozen=True)
class Stage:
    """Runs that begin where the mean of the stage before ended, and whose mean is taken."""

    runs: list[list[str]]
    mined: bool = False
    """Train as well, from here on, on the texts of the pool that the stage before took most for attacks."""


# The worst part of a window counts.
PARTS = ["--parts", "48", "24"]
LOWER = ["--rate", "2e-4"]
# An epoch is more than four thousand steps of the guard and a little more than one thousand of the others.
STAGES: dict[str, list[Stage]] = {
    "guard": [
        Stage([[*PARTS, "--steps", "1500", "--order", order] for order in ("0", "1")]),
        Stage([[*PARTS, *LOWER, "--steps", "700", "--order", order] for order in ("2", "3")], mined=True),
        Stage([[*PARTS, *LOWER, "--steps", "1500", "--order", order] for order in ("4", "5")]),
        Stage([[*PARTS, *LOWER, "--steps", "2600", "--order", order] for order in ("6", "7")]),
        Stage([[*PARTS, *LOWER, "--steps", "2600", "--order", order] for order in ("8", "9")]),
    ],
    "pii": [Stage([["--steps", "1500"]])],
    "domain": [
        Stage([["--steps", "1124", "--order", order] for order in ("0", "1")]),
        Stage([["--epochs", "2", "--steps", "1800", "--order", order] for order in ("2", "3")]),
    ],
}


def run(script: str, *arguments: str | Path) -> None:
    """Runs one of the scripts beside this one; stops everything if it fails."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    print("$", script, *map(str, arguments), flush=True)
    subprocess.run(command, check=True, cwd=HERE)


def mean_of(out: Path, settings: list[list[str]], keep: bool, *common: str | Path) -> None:
    """Trains a run beside `out` with each of the settings, and puts their mean there."""
    parts = [out.with_name(f"{out.name}-{number}") for number in range(len(settings))]
    for part, extra in zip(parts, settings, strict=True):
        if not (keep and (part / "training.json").exists()):
            run("train.py", *common, "--out", part, *extra)
    run("average.py", "--models", *parts, "--out", out)


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
    runs, started = work / "run", time.monotonic()
    encoders = {name: work / trunk.folder for name, trunk in TRUNKS.items()}
    fetchers = {"minilm": ("fetch_encoder.py",), "e5": ("fetch_multilingual.py", "--data", data / "guard")}
    for name, (script, *arguments) in fetchers.items():
        if not (args.keep and (encoders[name] / "model.safetensors").exists()):
            run(script, *arguments, "--out", encoders[name])
    for task, stages in STAGES.items():
        out = runs / task
        files = ("--encoder", encoders[SPECS[task].trunk], "--data", data / task)
        start: tuple[str | Path, ...] = ()
        more: tuple[str | Path, ...] = ()
        for number, stage in enumerate(stages, 1):
            mean = out if number == len(stages) else runs / f"{task}-stage-{number}"
            if stage.mined:
                mined = runs / f"{task}-mined-{number}.jsonl"
                if not (args.keep and mined.exists()):
                    run("mine.py", "--model", start[1], *files, "--out", mined)
                more = ("--more", mined)
            mean_of(mean, stage.runs, args.keep, "--task", task, *files, *start, *more)
            start = ("--start", mean)
        run("quantize.py", "--model", out, *files)
        run("calibrate.py", "--model", out, *files)
        keep_records(out, task)
    trunks = ("--encoder", encoders["minilm"], "--multilingual", encoders["e5"])
    run("export.py", *trunks, *(x for task in STAGES for x in (f"--{task}", runs / task)), "--out", bundle)
    scores = work / "scores.json"
    run("evaluate.py", "--data", data, "--python", bundle, "--out", scores)
    run("cards.py", "--bundle", bundle, "--run", RECORDS, "--scores", scores)
    print(f"done in {(time.monotonic() - started) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
