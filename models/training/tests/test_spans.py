"""Words vote, neighbours join, thresholds hold."""

import numpy as np

from spans import decode, words
from spec import BIO_LABELS, PII_TYPES

LIMITS = dict.fromkeys(PII_TYPES, 0.5)


def rows(*labels: dict[str, float]) -> np.ndarray:
    """Probabilities, the rest going to `O`."""
    table = np.zeros((len(labels), len(BIO_LABELS)))
    for row, given in zip(table, labels, strict=True):
        for label, value in given.items():
            row[BIO_LABELS.index(label)] = value
        row[0] = 1 - row.sum()
    return table


def test_pieces_of_a_word_are_one_word():
    assert words("unhappy x.y", [(0, 2), (2, 7), (8, 9), (9, 10), (10, 11)]) == [
        (0, 7, [0, 1]),
        (8, 9, [2]),
        (9, 10, [3]),
        (10, 11, [4]),
    ]
    assert [word[:2] for word in words("北京", [(0, 1), (1, 2)])] == [(0, 1), (1, 2)]


def test_a_word_is_not_cut_and_neighbours_join():
    table = rows({"B-PERSON": 0.9}, {"I-PERSON": 0.3}, {"I-PERSON": 0.9})
    found = decode("Annika Lee", [(0, 3), (3, 6), (7, 10)], table, BIO_LABELS, LIMITS)
    assert [(span["start"], span["end"], span["label"]) for span in found] == [(0, 10, "PERSON")]


def test_a_new_beginning_is_a_new_span():
    table = rows({"B-GPE": 0.9}, {"B-GPE": 0.9})
    assert len(decode("Rome Oslo", [(0, 4), (5, 9)], table, BIO_LABELS, LIMITS)) == 2


def test_a_threshold_above_half_counts_for_the_whole_span():
    table = rows({"B-PERSON": 0.9}, {"I-PERSON": 0.6})
    offsets = [(0, 3), (4, 7)]
    assert decode("Ann Lee", offsets, table, BIO_LABELS, LIMITS | {"PERSON": 0.7})
    assert not decode("Ann Lee", offsets, table, BIO_LABELS, LIMITS | {"PERSON": 0.8})
