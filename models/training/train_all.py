"""Rebuilds the bundle: encoder, three branches, int8, thresholds, export, scores, cards.

    python train_all.py --data build --bundle ../bundle

`--data` holds `guard/`, `domain/` and `pii/` with the files that the builders under `data/` write. Under an hour on two
idle cores. The numbers of steps are those of the committed bundle; the same data gives the same weights.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
STEPS: dict[str, list[str]] = {
    "guard": ["--steps", "1100"],
    "pii": [],
    "domain": [],
}


def run(script: str, *arguments: str | Path) -> None:
    """Runs one of the scripts beside this one; stops everything if it fails."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    print("$", script, *map(str, arguments), flush=True)
    subprocess.run(command, check=True, cwd=HERE)


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
    for task, extra in STEPS.items():
        out = runs / task
        files = ("--encoder", encoder, "--data", data / task)
        if not (args.keep and (out / "training.json").exists()):
            run("train.py", "--task", task, *files, "--out", out, *extra)
        run("quantize.py", "--model", out, *files)
        run("calibrate.py", "--model", out, *files)
    run("export.py", "--encoder", encoder, *(x for task in STEPS for x in (f"--{task}", runs / task)), "--out", bundle)
    scores = work / "scores.json"
    run("evaluate.py", "--data", data, "--python", bundle, "--out", scores)
    run("cards.py", "--bundle", bundle, "--run", runs, "--scores", scores)
    print(f"done in {(time.monotonic() - started) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
