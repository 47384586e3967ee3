"""Reads a bundle as a consumer does: from `manifest.json` alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from encoder import Tensors
from fetch_encoder import sha256
from model import Model
from quantize import dequantize
from spec import SPECS, Spec


@dataclass
class Head:
    """A head with the settings of its answers."""

    model: Model
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
    segments = {segment["name"]: segment for segment in manifest["segments"]}
    embeddings = dequantize(load_file(directory / manifest["embeddings"]["file"]))
    heads = {}
    for task, known in SPECS.items():
        entry = next(head for head in manifest["heads"] if head["name"] == known.head)
        segment = segments[entry["segment"]]
        frozen = dict(embeddings)
        if segment["parent"] is not None:
            parent = segments[segment["parent"]]
            frozen |= _part(directory, parent["file"], f"{parent['name']}.")
        window = entry["window"]
        spec = Spec(
            task, known.head, tuple(entry["labels"]), entry["task"] == "token", segment["parent"] is not None,
            window["tokens"], window["overlap"], tuple(entry["parts"].values()) if "parts" in entry else None,
        )  # fmt: skip
        branch = _part(directory, segment["file"], f"{segment['name']}.")
        head = _part(directory, segment["file"], f"head.{entry['name']}.")
        model = Model(spec, frozen, branch, head)
        heads[task] = Head(model, entry["temperature"], entry.get("threshold", 0.5), entry.get("thresholds", {}))
    return heads
