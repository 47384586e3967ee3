"""Int8 and back."""

import numpy as np
import pytest

from quantize import dequantize, quantize, round_trip, unpack_blocks


def test_the_error_is_at_most_half_a_step():
    random = np.random.default_rng(1)
    matrix = random.normal(size=(8, 32)).astype(np.float32)
    packed = quantize({"a.weight": matrix, "a.bias": matrix[0]})
    assert packed["a.weight"].dtype == np.int8
    back = dequantize(packed)
    assert (np.abs(back["a.weight"] - matrix) <= packed["a.weight.scale"][:, None] * 0.5001).all()
    assert (back["a.bias"] == matrix[0]).all()


def test_a_row_of_zeros_stays():
    assert (round_trip({"w": np.zeros((2, 4), np.float32)})["w"] == 0).all()


def test_a_second_round_trip_changes_nothing_that_matters():
    matrix = np.random.default_rng(2).normal(size=(4, 16)).astype(np.float32)
    once = round_trip({"w": matrix})
    assert np.allclose(round_trip(once)["w"], once["w"], atol=1e-6)


def test_four_bits_become_eight_with_a_scale_a_row():
    # Two blocks of 32 in one row: 7 and -8 halves, then threes.
    packed = np.full((1, 32), 0x99, np.uint8)
    packed[0, 0] = 0x0F
    scale = np.array([[0.5, 3.0]], np.float16)
    values = unpack_blocks(packed, scale)
    assert values.shape == (1, 64)
    assert (values[0, 0], values[0, 16], values[0, 1], values[0, 63]) == (3.5, -4.0, 0.5, 3.0)
    seen = dequantize({"w": packed, "w.scale": scale})
    assert list(seen) == ["w"]
    # A row has one scale of eight bits, so smaller blocks lose a little.
    assert seen["w"][0, :2] == pytest.approx([111 * 4 / 127, 16 * 4 / 127])
    assert quantize({"w": packed, "w.scale": scale})["w"] is packed
