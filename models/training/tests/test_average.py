"""The mean of runs."""

import numpy as np
import pytest

from average import mean, record


def test_the_mean_is_taken_tensor_by_tensor():
    found = mean([{"a": np.array([1, 2], np.float32)}, {"a": np.array([3, 6], np.float32)}])
    assert found["a"].dtype == np.float32 and found["a"].tolist() == [2, 4]


def test_other_tensors_are_refused():
    with pytest.raises(ValueError, match="not the same tensors"):
        mean([{"a": np.zeros(1)}, {"b": np.zeros(1)}])


def test_the_record_names_every_run_and_adds_the_times():
    runs = [{"steps": 11, "wall_s": 3, "cpu_s": 2, "rows": 5}, {"steps": 28, "wall_s": 4, "cpu_s": 3, "rows": 5}]
    assert record(runs) == {"steps": [11, 28], "wall_s": 7, "cpu_s": 5, "rows": 5}
