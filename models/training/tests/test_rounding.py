"""Rounding by what comes in."""

import numpy as np
import pytest

from quantize import quantize_rows, scales
from rounding import round_matrix


def inputs(rows: int, columns: int) -> np.ndarray:
    """Inputs that go together, of very different strengths."""
    random = np.random.default_rng(3)
    mixed = random.normal(size=(rows, columns // 4)) @ random.normal(size=(columns // 4, columns))
    return (mixed + 0.1 * random.normal(size=(rows, columns))) * np.geomspace(0.1, 10, columns)


def test_outputs_change_less_than_with_the_nearest_values():
    x = inputs(400, 64)
    matrix = np.random.default_rng(4).normal(size=(16, 64)).astype(np.float32)
    scale = scales(matrix)[:, None]

    def error(steps: np.ndarray) -> float:
        return float(((x @ (steps * scale - matrix).T) ** 2).mean())

    steps = round_matrix(matrix, x.T @ x)
    assert steps.dtype == np.int8
    assert error(steps) < 0.3 * error(quantize_rows(matrix)[0])


def test_what_has_steps_already_stays():
    steps = np.random.default_rng(5).integers(-127, 128, size=(8, 32)).astype(np.int8)
    steps[:, 0] = 127
    x = inputs(100, 32)
    assert (round_matrix(steps * np.float32(0.01), x.T @ x) == steps).all()


def test_an_input_that_never_comes_does_no_harm():
    x = inputs(100, 32)
    x[:, 5] = 0
    matrix = np.random.default_rng(6).normal(size=(4, 32)).astype(np.float32)
    steps = round_matrix(matrix, x.T @ x)
    assert np.abs(steps * scales(matrix)[:, None] - matrix)[:, 5].max() <= scales(matrix).max() * 0.51


def test_every_linear_map_shows_its_input():
    pytest.importorskip("jax")
    from encoder import HEADS, run_layers

    random = np.random.default_rng(7)
    hidden, inner = 2 * HEADS, 4 * HEADS
    tensors = {}
    for name, out, into in (
        ("attention.self.query", hidden, hidden),
        ("attention.self.key", hidden, hidden),
        ("attention.self.value", hidden, hidden),
        ("attention.output.dense", hidden, hidden),
        ("intermediate.dense", inner, hidden),
        ("output.dense", hidden, inner),
    ):
        tensors[f"layer.0.{name}.weight"] = random.normal(size=(out, into)).astype(np.float32)
        tensors[f"layer.0.{name}.bias"] = np.zeros(out, np.float32)
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        tensors[f"layer.0.{name}.weight"] = np.ones(hidden, np.float32)
        tensors[f"layer.0.{name}.bias"] = np.zeros(hidden, np.float32)
    x = random.normal(size=(2, 3, hidden)).astype(np.float32)
    seen = {}
    there = np.ones((2, 3), bool)
    watched = run_layers(tensors, x, there, lambda name, values: seen.update({name: np.asarray(values)}))
    assert {f"{name}.weight" for name in seen} == {n for n in tensors if n.endswith("weight") and "Norm" not in n}
    assert (seen["layer.0.attention.self.value"] == x.reshape(6, hidden)).all()
    assert seen["layer.0.output.dense"].shape == (6, inner)
    assert np.allclose(watched, run_layers(tensors, x, there))
