"""Guides and handbooks: windows of their pages, and one that only development sees."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).parent.parent))

from data.guard import guides  # noqa: E402
from data.guard.long_texts import book  # noqa: E402


def page(number: int, words: int = 900) -> str:
    rng = random.Random(number)
    body = " ".join(f"word{rng.randrange(3000)}" for _ in range(words))
    return f"<head><title>no</title></head><h1>Chapter {number}</h1><p>{body}</p>"


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    for number, guide in enumerate([*guides.GUIDES, guides.HELD]):
        for part in range(4):
            name = guide.pages.rpartition("/")[2].replace(
                "*", f"bash{part}" if "bash" in guide.pages else f"part{part}"
            )
            path = tmp_path / guide.package / guide.pages.rpartition("/")[0] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page(10 * number + part), encoding="utf-8")
    return tmp_path


def test_every_guide_gives_harmless_windows_and_no_page_more_than_its_share(debian):
    rows = list(guides.training(debian))
    assert {row.src for row in rows} == {f"guide/{guide.package}" for guide in guides.GUIDES}
    assert not any(row.attack or "<" in row.text or row.text.startswith("no") for row in rows)
    assert {row.split for row in rows} >= {"train", "pool"}
    train = [row.whole for row in rows if row.split == "train"]
    assert max(map(train.count, set(train))) <= guides.MOST


def test_the_guide_held_back_is_for_development_alone(debian):
    rows = list(guides.held(debian))
    assert rows and {row.split for row in rows} == {"dev"}
    assert {row.src for row in rows} == {f"guide/{guides.HELD.package}"}


def test_a_guide_without_pages_is_an_error_that_names_it(debian):
    for path in (debian / "maint-guide").rglob("*.html"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="maint-guide"):
        list(guides.training(debian))


def test_a_book_is_read_without_its_licence(tmp_path):
    for name in ("b.html", "a.html", "fdl-section1.html"):
        (tmp_path / name).write_text(f"<p>{name}</p>", encoding="utf-8")
    assert book(tmp_path, "*.html") == ["a.html", "b.html"]
