"""Puts the bundle together: weights, tokenizer, manifest, notice.

    python export.py --encoder build/encoder --multilingual build/multilingual --domain build/run/domain \\
        --guard build/run/guard --pii build/run/pii --out ../bundle

A branch that is not given is taken over as it is from the bundle named by `--keep`, which may be `--out` itself. The
format is described in README.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from bundle import verify
from encoder import Tensors, embedding_tensors, layer_tensors, raw_encoder
from fetch_encoder import sha256
from model import load_spec
from quantize import halve, quantize
from revision import revision
from spec import SPECS, Spec
from tokens import load_tokenizer
from trunks import TRUNKS, Trunk

MOST_BYTES = 60_000_000
# What the manifest takes over from `calibrate.py`.
CALIBRATED = ("temperature", "threshold", "operating_points", "thresholds")


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    """The same tensors with a segment's name in front."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def write_trunk(encoder: Path, trunk: Trunk, out: Path) -> tuple[dict, list[dict]]:
    """Embeddings, shared layers and tokenizer; returns the encoder's configuration and the segments' entries."""
    config, tensors = raw_encoder(encoder)
    save_file(quantize(embedding_tensors(tensors)), out / "embeddings.safetensors")
    save_file(quantize(prefixed(layer_tensors(tensors, 0, trunk.shared), "shared")), out / "shared.safetensors")
    load_tokenizer(encoder).save(str(out / "tokenizer.json"), pretty=False)
    return config, [segment("shared", None, trunk.shared)]


def write_embedder(encoder: Path, trunk: Trunk, out: Path) -> tuple[dict, dict]:
    """The encoder's own last layers; returns the segment's and the head's entries."""
    config, tensors = raw_encoder(encoder)
    layers = config["num_hidden_layers"] - trunk.shared
    own = prefixed(layer_tensors(tensors, trunk.shared, layers), "embedder")
    save_file(quantize(own), out / "embedder.safetensors")
    entry = {"name": "embedding", "task": "embedding", "segment": "embedder", "pooling": "mean", "stages": []}
    return segment("embedder", "shared", layers), entry


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
    target = out / f"{spec.head}.safetensors"
    if stored_as(directory) == "f16":
        save_file(halve(load_file(directory / "model.safetensors")), target)
    else:
        shutil.copy(directory / "model.int8.safetensors", target)
    return segment(spec.head, "shared" if spec.shared else None, spec.layers), head(spec, directory)


def read_manifest(bundle: Path | None) -> dict:
    """What a bundle's manifest says; nothing where none is kept."""
    return json.loads((bundle / "manifest.json").read_text(encoding="utf-8")) if bundle else {}


def branch(directory: Path | None, kept: Path | None, manifest: dict, task: str, out: Path) -> tuple[dict, dict]:
    """A branch as it was trained, or else that of the kept bundle; returns the segment's and the head's entries."""
    return write_branch(directory, out) if directory else kept_branch(kept, manifest, task, out)


def kept_branch(kept: Path | None, manifest: dict, task: str, out: Path) -> tuple[dict, dict]:
    """Takes a branch over from another bundle with its manifest; returns the segment's and the head's entries."""
    if kept is None:
        raise SystemExit(f"--{task} is missing, and --keep names no bundle that has it")
    name = SPECS[task].head
    found = [next((entry for entry in manifest[part] if entry["name"] == name), None) for part in ("segments", "heads")]
    of_segment, of_head = found
    if of_segment is None or of_head is None:
        raise SystemExit(f"--{task} is missing, and {kept} has no head {name}")
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


def write_manifest(out: Path, config: dict, segments: list[dict], heads: list[dict], members: dict[str, Path]) -> dict:
    """Writes and returns the manifest of what lies in `out`; `members`: the folders of heads that stand elsewhere."""
    names = ["tokenizer.json", "embeddings.safetensors", *(entry["file"] for entry in segments)]
    for folder in dict.fromkeys(members.values()):
        below = json.loads((out / folder / "manifest.json").read_text(encoding="utf-8"))
        names += [str(folder / name) for name in ("manifest.json", *below["files"])]
    manifest = {
        "format": 1,
        "revision": "",
        "config": config,
        "tokenizer": "tokenizer.json",
        "files": {name: {"sha256": sha256(out / name), "bytes": (out / name).stat().st_size} for name in names},
        "embeddings": {"file": "embeddings.safetensors"},
        "segments": segments,
        "heads": heads,
    }
    if members:
        manifest["members"] = {head: str(folder) for head, folder in members.items()}
    manifest["revision"] = revision(manifest)
    tidy(out, names)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def tidy(out: Path, names: list[str]) -> None:
    """Takes away the weights of an earlier bundle that this one has not, and lets everybody read the others."""
    for file in out.glob("*.safetensors"):
        if file.name in names:
            file.chmod(0o644)
        else:
            file.unlink()


def write_member(trunk: Trunk, encoder: Path | None, tasks: list[str], args: argparse.Namespace) -> None:
    """Writes the bundle of another encoder, or takes it over from the kept one."""
    out = args.out / trunk.folder
    out.mkdir(parents=True, exist_ok=True)
    if all(getattr(args, task) is None for task in tasks):
        if args.keep is None:
            raise SystemExit(f"--{tasks[0]} is missing, and --keep names no bundle that has it")
        if (args.keep / trunk.folder).resolve() != out.resolve():
            shutil.copytree(args.keep / trunk.folder, out, dirs_exist_ok=True)
        verify(out)
        return
    if encoder is None:
        raise SystemExit(f"--{trunk.folder} is missing, on which --{tasks[0]} stands")
    kept = args.keep / trunk.folder if args.keep else None
    before = read_manifest(kept)
    config, segments = write_trunk(encoder, trunk, out)
    made = [branch(getattr(args, task), kept, before, task, out) for task in tasks]
    write_manifest(out, config, [*segments, *(s for s, _ in made)], [h for _, h in made], {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument(
        "--multilingual", type=Path, help="the encoder of the guard and the domain, if one of them is given"
    )
    for task in SPECS:
        parser.add_argument(f"--{task}", type=Path, help="where it was trained")
    parser.add_argument("--keep", type=Path, metavar="BUNDLE", help="holds the branches that are not given")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    before = read_manifest(args.keep)

    main_trunk, other = TRUNKS["minilm"], TRUNKS["e5"]
    elsewhere = [task for task, spec in SPECS.items() if spec.on == other]
    write_member(other, args.multilingual, elsewhere, args)
    config, segments = write_trunk(args.encoder, main_trunk, args.out)
    made = [write_embedder(args.encoder, main_trunk, args.out)]
    for task in SPECS:
        if task not in elsewhere:
            made.append(branch(getattr(args, task), args.keep, before, task, args.out))
    members = {SPECS[task].head: Path(other.folder) for task in elsewhere}
    manifest = write_manifest(args.out, config, [*segments, *(s for s, _ in made)], [h for _, h in made], members)
    total = sum(entry["bytes"] for entry in manifest["files"].values())
    if total > MOST_BYTES:
        raise SystemExit(f"{total} bytes: more than {MOST_BYTES}")
    shutil.copy(Path(__file__).parent / "NOTICE", args.out / "NOTICE")
    print(f"{args.out}: revision {manifest['revision']}, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
