"""Long texts: how they are cut, and what is counted of them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).parent.parent))

from data.guard.long_texts import cut  # noqa: E402
from data.guard.text import plain  # noqa: E402
from verdicts import long_texts, same_verdicts  # noqa: E402


def guard(loud: str):
    """A guard that stops what has the word `loud` in it."""

    def classify(texts: list[str]) -> list[dict]:
        return [{"jailbreak": {"label": "jailbreak" if loud in text else "benign", "score": 0.0}} for text in texts]

    return classify


def test_runs_are_whole_spread_and_keep_their_line_ends():
    texts = [f"{n}a {n}b\n{n}c" for n in range(10)]
    runs = cut(texts, 3, 5)
    assert runs == [f"{n}a {n}b\n{n}c" for n in (0, 2, 4, 6, 8)]
    with pytest.raises(ValueError, match="10 runs"):
        cut(texts, 3, 11)


def test_a_page_without_its_code_and_tags():
    page = "<head><title>no</title></head><script>no</script><p>One &amp; <b>two</b></p><ul><li>three</li></ul>"
    assert plain(page) == "One & two\nthree"


def test_what_is_around_can_change_a_verdict():
    # The words around are stopped themselves: harmless texts in them get another verdict, attacks the same.
    assert same_verdicts(guard("x"), ["x"], ["a", "b"], ["x y"]) == {"attacks": 1.0, "benign": 0.0}
    assert same_verdicts(guard("x"), ["x"], ["a", "b"], ["y y", "x y"]) == {"attacks": 1.0, "benign": 0.5}


def test_long_texts_are_counted_by_kind_and_only_quiet_ones_surround():
    def long(text: str, kind: str) -> dict:
        return {"text": text, "kind": kind, "src": "long/s", "label": "benign", "lang": "en"}

    long_rows = [long("x y", "text"), long("y y", "text"), long("y", "piece")]
    rows = [{"text": "x", "label": "jailbreak"}, {"text": "a", "label": "benign"}]
    scores = long_texts(guard("x"), long_rows, rows, 5)
    assert scores["flagged"] == {
        "piece long/s": {"texts": 1, "flagged": 0.0},
        "text long/s": {"texts": 2, "flagged": 0.5},
    }
    assert scores["same_verdict"] == {"attacks": 1.0, "benign": 1.0}
