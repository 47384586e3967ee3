"""Puts the bundle together: weights, tokenizer, manifest, notice.

    python export.py --encoder build/encoder --domain build/run/domain --guard build/run/guard \\
        --pii build/run/pii --out ../bundle

A branch that is not given is taken over as it is from the bundle named by `--keep`, which may be `--out` itself. The
format is described in README.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from encoder import Tensors, embedding_tensors, layer_tensors, load_encoder
from fetch_encoder import sha256
from model import load_spec
from quantize import halve, quantize
from revision import revision
from spec import SHARED_LAYERS, SPECS, Spec
from tokens import load_tokenizer

MOST_BYTES = 60_000_000
# What the manifest takes over from `calibrate.py`.
CALIBRATED = ("temperature", "threshold", "operating_points", "thresholds")


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    """The same tensors with a segment's name in front."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def write_encoder(encoder: Path, out: Path) -> dict:
    """Embeddings, shared layers and embedder; returns the encoder's configuration."""
    config, tensors = load_encoder(encoder)
    save_file(quantize(embedding_tensors(tensors)), out / "embeddings.safetensors")
    shared = prefixed(layer_tensors(tensors, 0, SHARED_LAYERS), "shared")
    save_file(quantize(shared), out / "shared.safetensors")
    own = prefixed(layer_tensors(tensors, SHARED_LAYERS, SHARED_LAYERS), "embedder")
    save_file(quantize(own), out / "embedder.safetensors")
    tokenizer = load_tokenizer(encoder)
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    return config


def segment(name: str, parent: str | None, layers: int) -> dict:
    """A segment's entry in the manifest; its file has its name."""
    return {"name": name, "parent": parent, "layers": layers, "file": f"{name}.safetensors"}


def head(spec: Spec, directory: Path) -> dict:
    """A trained head's entry in the manifest."""
    entry = {
        "name": spec.head,
        "task": "token" if spec.per_token else "sequence",
        "segment": spec.head,
        "pooling": "none" if spec.per_token else "worst" if spec.parts else "mean",
        "labels": list(spec.labels),
        "stages": [{"then": "nothing"}],
        "window": {"tokens": spec.window, "overlap": spec.overlap},
        "temperature": 1.0,
    }
    if spec.parts:
        entry["parts"] = dict(zip(("tokens", "step"), spec.parts, strict=True))
    calibration = directory / "calibration.json"
    if calibration.exists():
        settings = json.loads(calibration.read_text(encoding="utf-8"))
        entry |= {key: settings[key] for key in CALIBRATED if key in settings}
    elif spec.task == "guard":
        entry["threshold"] = 0.5
    elif spec.per_token:
        kinds = sorted({label[2:] for label in spec.labels if label != "O"})
        entry["thresholds"] = dict.fromkeys(kinds, 0.5)
    return entry


def write_branch(directory: Path, out: Path) -> tuple[dict, dict]:
    """Writes a trained branch with its head; returns the segment's and the head's entries."""
    spec = load_spec(directory)
    pack = halve if stored_as(directory) == "f16" else quantize
    save_file(pack(load_file(directory / "model.safetensors")), out / f"{spec.head}.safetensors")
    return segment(spec.head, "shared" if spec.shared else None, spec.layers), head(spec, directory)


def kept_branch(kept: Path | None, manifest: dict, task: str, out: Path) -> tuple[dict, dict]:
    """Takes a branch over from another bundle with its manifest; returns the segment's and the head's entries."""
    if kept is None:
        raise SystemExit(f"--{task} is missing, and --keep names no bundle that has it")
    name = SPECS[task].head
    entries = (next(entry for entry in manifest[part] if entry["name"] == name) for part in ("segments", "heads"))
    of_segment, of_head = entries
    source, target = kept / of_segment["file"], out / of_segment["file"]
    if sha256(source) != manifest["files"][of_segment["file"]]["sha256"]:
        raise SystemExit(f"{source}: its hash is not the manifest's")
    if source.resolve() != target.resolve():
        shutil.copy(source, target)
    return of_segment, of_head


def stored_as(directory: Path) -> str:
    """`int8`, or `f16` where `quantize.py` found that int8 changes too many labels."""
    record = directory / "quantize.json"
    return json.loads(record.read_text(encoding="utf-8")).get("stored_as", "int8") if record.exists() else "int8"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    for task in SPECS:
        parser.add_argument(f"--{task}", type=Path, help="where it was trained")
    parser.add_argument("--keep", type=Path, metavar="BUNDLE", help="holds the branches that are not given")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    before = json.loads((args.keep / "manifest.json").read_text(encoding="utf-8")) if args.keep else {}

    config = write_encoder(args.encoder, args.out)
    segments = [segment("shared", None, SHARED_LAYERS), segment("embedder", "shared", SHARED_LAYERS)]
    heads = [{"name": "embedding", "task": "embedding", "segment": "embedder", "pooling": "mean", "stages": []}]
    for task in SPECS:
        directory = getattr(args, task)
        made = write_branch(directory, args.out) if directory else kept_branch(args.keep, before, task, args.out)
        segments.append(made[0])
        heads.append(made[1])

    names = ["tokenizer.json", "embeddings.safetensors", *(entry["file"] for entry in segments)]
    files = {name: {"sha256": sha256(args.out / name), "bytes": (args.out / name).stat().st_size} for name in names}
    total = sum(entry["bytes"] for entry in files.values())
    if total > MOST_BYTES:
        raise SystemExit(f"{total} bytes: more than {MOST_BYTES}")
    manifest = {
        "format": 1,
        "revision": "",
        "config": config,
        "tokenizer": "tokenizer.json",
        "files": files,
        "embeddings": {"file": "embeddings.safetensors"},
        "segments": segments,
        "heads": heads,
    }
    manifest["revision"] = revision(manifest)
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    shutil.copy(Path(__file__).parent / "NOTICE", args.out / "NOTICE")
    print(f"{args.out}: revision {manifest['revision']}, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
