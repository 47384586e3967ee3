"""Scores of cases that can be counted by hand."""

import numpy as np
import pytest

from data.guard.obfuscate import DISGUISES
from metrics import CHANGED, as_written, auc, by_kind, false_sensitive, guard_group, macro_f1, matches, span_scores
from thresholds import RATES, operating_points, threshold_for


def span(start: int, end: int, label: str) -> dict:
    return {"start": start, "end": end, "label": label}


def test_auc_counts_pairs_and_halves_ties():
    scores = np.array([0.1, 0.5, 0.5, 0.9])
    assert auc(scores, np.array([False, False, True, True])) == pytest.approx(3.5 / 4)


def test_macro_f1_weighs_labels_alike():
    assert macro_f1(["a", "a", "b"], ["a", "b", "b"]) == pytest.approx(2 / 3)


def test_kinds_are_counted_apart():
    rows = [{"src": "mmlu-pro/variant"}, {"src": "topic"}, {"src": "prompt"}]
    assert by_kind(rows, np.array([True, True, False])) == {"exam": 1.0, "chat": 0.5}
    assert by_kind(rows[1:], np.array([True, True])) == {"chat": 1.0}
    rows += [{"src": "fresh/ja"}, {"src": "fresh/de"}, {"src": "prompt/two"}]
    found = by_kind(rows, np.array([True, True, False, True, False, True]))
    assert found == {"exam": 1.0, "chat": 0.6, "foreign": 0.5}


def test_spans_match_by_more_than_half():
    assert matches([span(0, 10, "GPE")], [span(0, 6, "GPE")])
    assert not matches([span(0, 10, "GPE")], [span(0, 5, "GPE")])
    assert not matches([span(0, 10, "GPE")], [span(0, 10, "PERSON")])


def test_micro_f1_counts_missed_and_invented_spans():
    scores = span_scores([[span(0, 4, "GPE"), span(6, 9, "AGE")]], [[span(0, 4, "GPE"), span(5, 6, "TITLE")]])
    assert scores["micro"]["f1"] == pytest.approx(0.5)


def test_only_sensitive_types_count_as_false_alarms():
    assert false_sensitive([[span(0, 1, "PERSON")], [span(0, 1, "US_SSN")]]) == 0.5


def test_copies_that_programs_changed_are_known():
    assert set(DISGUISES) <= set(CHANGED)
    assert not any(as_written({"src": f"{name}/written/plain"}) for name in DISGUISES)
    assert all(as_written({"src": source}) for source in ("slabs", "buried/slabs", "stranger/plain"))


def test_a_threshold_keeps_its_share():
    scores = np.linspace(0, 1, 1001)
    assert (scores >= threshold_for(scores, 0.01)).mean() <= 0.01


def test_a_threshold_that_nothing_may_reach_is_above_the_highest_score():
    scores = np.array([0.2, 0.7], np.float32)
    assert threshold_for(scores, 0.0) > scores.max()


def test_operating_points_keep_their_rates_and_fall():
    scores = np.random.default_rng(4).beta(0.2, 3, 1500).astype(np.float32)
    points = operating_points(scores)
    assert [rate for rate, _ in points] == list(RATES) == sorted(RATES)
    assert all((scores >= cut).mean() <= rate for rate, cut in points)
    # The next rate up must pay: otherwise one threshold for all of them would pass.
    assert all(a > b for (_, a), (_, b) in zip(points, points[1:], strict=False))


def test_groups():
    assert guard_group({"lang": "de", "src": "gen/look_x"}) == "look-alikes"
    assert guard_group({"lang": "de", "src": "written/plain"}) == "other languages"
    assert guard_group({"lang": "en", "src": "buried/gen/look_x"}) == "look-alikes"
    assert guard_group({"lang": "en", "src": "slabs"}) == "ordinary English"
    assert guard_group({"lang": "en", "src": "typos/written/agents"}) == "look-alikes"
    assert guard_group({"lang": "en", "src": "typos/written/turn"}) == "ordinary English"
    assert guard_group({"lang": "en", "src": "stranger/plain"}) == "ordinary English"
