"""Windows, labels and batches."""

import numpy as np

from dataset import IGNORED, token_labels
from spec import BIO_LABELS, SPECS
from tokens import FILLER, LENGTHS, batches, pad, windows


def test_a_short_text_is_one_window():
    assert windows(0, 126, 32) == [(0, 0)]
    assert windows(126, 126, 32) == [(0, 126)]


def test_windows_share_the_overlap_and_reach_the_end():
    cuts = windows(300, 126, 32)
    assert cuts == [(0, 126), (94, 220), (188, 300)]
    assert windows(127, 126, 32) == [(0, 126), (94, 127)]


def test_every_window_fits_a_compiled_length():
    assert all(spec.window <= LENGTHS[-1] for spec in SPECS.values())


def test_spans_become_begin_and_inside():
    # "Ann Lee, 12"
    offsets = [(0, 3), (4, 7), (7, 8), (9, 11)]
    spans = [{"start": 0, "end": 7, "label": "PERSON"}, {"start": 9, "end": 11, "label": "AGE"}]
    named = [BIO_LABELS[label] for label in token_labels(BIO_LABELS, offsets, spans)]
    assert named == ["B-PERSON", "I-PERSON", "O", "B-AGE"]


def test_batches_hold_everything_once_and_repeat_with_the_seed():
    lengths = [5, 100, 16, 40, 128, 7] * 20
    plans = [list(batches(lengths, 512, np.random.default_rng(3))) for _ in range(2)]
    assert plans[0] == plans[1]
    assert sorted(index for _, members in plans[0] for index in members) == list(range(len(lengths)))
    assert all(lengths[index] <= length for length, members in plans[0] for index in members)


def test_padding_rows_are_never_empty():
    ids = pad([[101, 5, 102]], 16, 2)
    assert ids[1, 0] == FILLER and (ids[0, 3:] == 0).all()
    assert (pad([[1]], 1, 2, fill=IGNORED) == [[1], [IGNORED]]).all()
