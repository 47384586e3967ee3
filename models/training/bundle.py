"""Reads a bundle as a consumer does: from `manifest.json` alone."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from encoder import Tensors
from fetch_encoder import sha256
from model import Model
from quantize import dequantize
from spec import SPECS


@dataclass
class Head:
    """A head with the settings of its answers."""

    model: Model
    folder: Path
    """Where its encoder's tokenizer is."""
    temperature: float
    threshold: float
    thresholds: dict[str, float]


def verify(directory: Path) -> dict:
    """The manifest, after every file's hash was found right."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    for name, entry in manifest["files"].items():
        if sha256(directory / name) != entry["sha256"]:
            raise ValueError(f"{name}: its hash is not the manifest's")
    return manifest


def _part(directory: Path, file: str, prefix: str) -> Tensors:
    tensors = dequantize(load_file(directory / file))
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def load_heads(directory: Path) -> dict[str, Head]:
    """The trained heads by task: `domain`, `guard`, `pii`."""
    manifest = verify(directory)
    heads = {}
    for task, known in SPECS.items():
        folder = head_folder(directory, manifest, known.head)
        heads[task] = _head(folder, manifest if folder == directory else verify(folder), task)
    return heads


def head_folder(directory: Path, manifest: dict, head: str) -> Path:
    """Where the bundle is that has a head: this one, or one below it."""
    return directory / manifest.get("members", {}).get(head, "")


def _head(directory: Path, manifest: dict, task: str) -> Head:
    known = SPECS[task]
    segments = {segment["name"]: segment for segment in manifest["segments"]}
    frozen = dequantize(load_file(directory / manifest["embeddings"]["file"]))
    entry = next(head for head in manifest["heads"] if head["name"] == known.head)
    segment = segments[entry["segment"]]
    if segment["parent"] is not None:
        parent = segments[segment["parent"]]
        frozen |= _part(directory, parent["file"], f"{parent['name']}.")
    window = entry["window"]
    spec = dataclasses.replace(
        known,
        labels=tuple(entry["labels"]),
        per_token=entry["task"] == "token",
        shared=segment["parent"] is not None,
        window=window["tokens"],
        overlap=window["overlap"],
        parts=tuple(entry["parts"].values()) if "parts" in entry else None,
    )
    branch = _part(directory, segment["file"], f"{segment['name']}.")
    head = _part(directory, segment["file"], f"head.{entry['name']}.")
    model = Model(spec, frozen, branch, head)
    return Head(model, directory, entry["temperature"], entry.get("threshold", 0.5), entry.get("thresholds", {}))
