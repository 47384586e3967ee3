"""Int8 and back."""

import numpy as np

from quantize import dequantize, quantize, round_trip


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
