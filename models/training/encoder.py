"""The encoders' forward pass in JAX, over flat dictionaries of tensors with BERT's names.

A segment's tensors are named `layer.N.attention.self.query.weight` and so on, N from 0; matrices are `[out, in]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from quantize import dequantize

Tensors = dict[str, np.ndarray]
Watch = Callable[[str, jax.Array], None]
HEADS = 12
EPS = 1e-12
MASKED = -1e9


def raw_encoder(directory: Path) -> tuple[dict, Tensors]:
    """The published checkpoint: its `config.json` and its tensors, packed where they are so."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    tensors = load_file(directory / "model.safetensors")
    return config, {name: value for name, value in tensors.items() if not name.startswith("pooler")}


def load_encoder(directory: Path) -> tuple[dict, Tensors]:
    """The same with all tensors in f32."""
    config, tensors = raw_encoder(directory)
    return config, dequantize(tensors)


def embedding_tensors(tensors: Tensors) -> Tensors:
    """The tables and the norm of the first layer's input."""
    return {name: value for name, value in tensors.items() if name.startswith("embeddings.") and "ids" not in name}


def layer_tensors(tensors: Tensors, first: int, count: int) -> Tensors:
    """Layers `first..first + count`, renumbered from 0."""
    taken: Tensors = {}
    for name, value in tensors.items():
        if name.startswith("encoder.layer."):
            number, rest = name.removeprefix("encoder.layer.").split(".", 1)
            if first <= int(number) < first + count:
                taken[f"layer.{int(number) - first}.{rest}"] = value
    return taken


def layer_count(segment: Tensors) -> int:
    """How many layers a segment has."""
    return len({name.split(".")[1] for name in segment if name.startswith("layer.")})


def _linear(x, p, name: str, watch: Watch | None = None):
    if watch is not None:
        watch(name, x)
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def _norm(x, p, name: str):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + EPS) * p[f"{name}.weight"] + p[f"{name}.bias"]


def embed(p, ids):
    """`[batch, tokens]` ids to `[batch, tokens, hidden]`."""
    x = p["embeddings.word_embeddings.weight"][ids]
    x = x + p["embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = x + p["embeddings.token_type_embeddings.weight"][0]
    return _norm(x, p, "embeddings.LayerNorm")


def _attention(p, name: str, x, mask, watch: Watch | None):
    batch, tokens, hidden = x.shape
    flat = x.reshape(-1, hidden)
    q, k, v = (
        _linear(flat, p, f"{name}.attention.self.{part}", watch).reshape(batch, tokens, HEADS, -1)
        for part in ("query", "key", "value")
    )
    scores = jnp.einsum("bnhd,bmhd->bhnm", q, k) / np.sqrt(hidden // HEADS).astype(np.float32)
    scores = jnp.where(mask[:, None, None, :], scores, MASKED)
    found = jnp.einsum("bhnm,bmhd->bnhd", jax.nn.softmax(scores, axis=-1), v)
    return _linear(found.reshape(-1, hidden), p, f"{name}.attention.output.dense", watch).reshape(x.shape)


def run_layers(p, x, mask, watch: Watch | None = None):
    """All layers of a segment. `mask` is true where there is a token; `watch`, outside of `jit` only, gets the name of
    each linear map with its input, `[batch * tokens, in]`."""
    for number in range(layer_count(p)):
        name = f"layer.{number}"
        x = _norm(x + _attention(p, name, x, mask, watch), p, f"{name}.attention.output.LayerNorm")
        flat = x.reshape(-1, x.shape[-1])
        inner = jax.nn.gelu(_linear(flat, p, f"{name}.intermediate.dense", watch), approximate=False)
        out = _linear(inner, p, f"{name}.output.dense", watch).reshape(x.shape)
        x = _norm(x + out, p, f"{name}.output.LayerNorm")
    return x


def mean_pool(x, mask):
    """The mean of a sequence's tokens, special ones included."""
    weights = mask[..., None].astype(x.dtype)
    return (x * weights).sum(1) / weights.sum(1)


def part_means(x, mask, parts: tuple[int, int]):
    """The means of a sequence's parts, `[batch, parts, hidden]`, and which parts there are: one each `step`, up to the
    first that reaches the sequence's end."""
    tokens, step = parts
    length = x.shape[1]
    starts = np.arange(1 + max(0, -(-(length - tokens) // step))) * step
    places = np.arange(length)
    inside = (places >= starts[:, None]) & (places < starts[:, None] + tokens)
    inside = inside[None] & mask[:, None]
    count = inside.sum(-1)
    sums = jnp.einsum("bpt,bth->bph", inside.astype(x.dtype), x)
    there = (starts == 0) | (starts + tokens - step < mask.sum(1)[:, None])
    return sums / jnp.maximum(count, 1)[..., None], there


def worst(logits, there):
    """Of the parts' logits, `[batch, parts, labels]`, those whose last label stands out most from the others' largest."""
    margin = jnp.where(there, logits[..., -1] - logits[..., :-1].max(-1), -jnp.inf)
    return jnp.take_along_axis(logits, margin.argmax(1)[:, None, None], 1)[:, 0]


def run_head(p, x):
    """A head's maps: linear stages with GELU between them."""
    stages = len(p) // 2
    for number in range(stages):
        x = x @ p[f"{number}.weight"].T + p[f"{number}.bias"]
        if number + 1 < stages:
            x = jax.nn.gelu(x, approximate=False)
    return x
