"""A branch with what it stands on: made from the encoder, saved, loaded and run."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from encoder import (
    Tensors,
    embed,
    embedding_tensors,
    layer_tensors,
    load_encoder,
    mean_pool,
    part_means,
    run_head,
    run_layers,
    worst,
)
from quantize import dequantize, round_trip
from spec import HIDDEN, Spec


@dataclass
class Model:
    """The frozen part (as it will be served, through int8) and the trained part."""

    spec: Spec
    frozen: Tensors
    """Embeddings, and the shared layers when the branch stands on them."""
    branch: Tensors
    """`layer.N...` of the branch."""
    head: Tensors
    """`0.weight`, `0.bias`."""

    @property
    def tensors(self) -> Tensors:
        """The trained tensors by their names in the bundle."""
        name = self.spec.head
        named = {f"{name}.{key}": np.asarray(value) for key, value in self.branch.items()}
        return named | {f"head.{name}.{key}": np.asarray(value) for key, value in self.head.items()}

    @property
    def trained(self) -> dict[str, Tensors]:
        """What an optimiser changes."""
        return {"branch": self.branch, "head": self.head}


def frozen_part(encoder: Path, spec: Spec) -> Tensors:
    """Embeddings and, for a branch that stands on them, the shared layers, as served."""
    _, tensors = load_encoder(encoder)
    taken = embedding_tensors(tensors)
    if spec.shared:
        taken = taken | layer_tensors(tensors, 0, spec.on.shared)
    return round_trip(taken)


def new_model(spec: Spec, encoder: Path) -> Model:
    """A branch that starts from the encoder's own layers, with a small random head."""
    _, tensors = load_encoder(encoder)
    first = spec.on.shared if spec.shared else 0
    random = np.random.default_rng(spec.seed)
    weight = random.normal(0, 0.02, (len(spec.labels), HIDDEN)).astype(np.float32)
    head = {"0.weight": weight, "0.bias": np.zeros(len(spec.labels), np.float32)}
    return Model(spec, frozen_part(encoder, spec), layer_tensors(tensors, first, spec.layers), head)


def save(model: Model, directory: Path) -> None:
    """Writes `model.safetensors` and `spec.json`."""
    directory.mkdir(parents=True, exist_ok=True)
    save_file(model.tensors, directory / "model.safetensors")
    (directory / "spec.json").write_text(json.dumps(dataclasses.asdict(model.spec), indent=1) + "\n")


def load_spec(directory: Path) -> Spec:
    """The settings a model was trained with."""
    fields = json.loads((directory / "spec.json").read_text(encoding="utf-8"))
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Spec(**(fields | lists))


def load_trained(directory: Path, encoder: Path, file: str = "model.safetensors") -> Model:
    """A trained model, exact or int8."""
    spec = load_spec(directory)
    tensors = dequantize(load_file(directory / file))
    branch = {k.removeprefix(f"{spec.head}."): v for k, v in tensors.items() if k.startswith(f"{spec.head}.layer.")}
    head = {k.removeprefix(f"head.{spec.head}."): v for k, v in tensors.items() if k.startswith("head.")}
    return Model(spec, frozen_part(encoder, spec), branch, head)


def forward(frozen, branch, head, ids, spec: Spec):
    """Logits of a padded batch: `[batch, labels]`, or `[batch, tokens, labels]`. Id 0 is padding."""
    mask = ids != 0
    x = jax.lax.stop_gradient(run_layers(frozen, embed(frozen, ids), mask))
    x = run_layers(branch, x, mask)
    if spec.parts:
        means, there = part_means(x, mask, spec.parts)
        return worst(run_head(head, means), there)
    return run_head(head, x if spec.per_token else mean_pool(x, mask))
