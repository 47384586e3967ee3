"""The sums of `integration/run test`: wrong ones would hide failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "integration"))

from summary import UNAVAILABLE, Counts, Stage, count, count_cargo, count_junit, report  # noqa: E402

CARGO = """\
     Running unittests src/lib.rs (target/debug/deps/a-1)
running 4 tests
test good::one ... ok
test bad::two ... FAILED
test off::three ... ignored, needs a GPU
test off::four ... ignored

failures:
    bad::two

test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests a
test a/src/lib.rs - thing (line 3) ... ok
test result: ok. 41 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.20s
"""

JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4">
<testcase classname="t" name="a"/>
<testcase classname="t" name="b"><failure message="no">long</failure></testcase>
<testcase classname="t" name="c"><error message="fixture">long</error></testcase>
<testcase classname="t" name="d"><skipped type="pytest.skip" message="no kubectl
 here">x</skipped></testcase>
</testsuite></testsuites>"""


def test_cargo_sums_over_binaries_and_doc_tests() -> None:
    counts = count_cargo(CARGO)
    assert (counts.passed, counts.failed, counts.skipped) == (42, 1, 2)
    assert counts.failures == ["bad::two"]
    assert counts.skips == ["off::three: needs a GPU", "off::four: ignored, no reason given"]


def test_a_cargo_test_that_says_it_skipped_has_not_passed() -> None:
    stage = Stage("test", "cargo", 101, 1)
    before = count(stage, CARGO, None)
    after = count(stage, "test a ... \nSKIP: nobody may trace\nok\n" + CARGO, None)
    assert (after.passed, after.skipped) == (before.passed - 1, before.skipped + 1)
    assert "nobody may trace" in after.skips


def test_junit_counts_errors_as_failures() -> None:
    counts = count_junit(JUNIT)
    assert (counts.passed, counts.failed, counts.skipped) == (1, 2, 1)
    assert counts.skips == ["t::d: no kubectl here"]


@pytest.mark.parametrize(
    ("stage", "log", "xml"),
    [
        (Stage("test", "cargo", 101, 1), "error[E0308]: mismatched types", None),
        (Stage("ops", "pytest", 2, 1), "Segmentation fault", None),
        (Stage("fmt", "check", 1, 1), "Diff in ...", None),
        # All its tests passed, and then it died.
        (Stage("test", "cargo", 101, 1), CARGO.replace("1 failed", "0 failed"), None),
    ],
)
def test_a_failed_stage_always_counts(stage: Stage, log: str, xml: str | None) -> None:
    assert count(stage, log, xml).failed >= 1


def test_an_unavailable_stage_is_one_skip_with_its_reason() -> None:
    counts = count(Stage("dynamo", "pytest", UNAVAILABLE, 1), "x\ndynamo setup: SKIP: no wheel\n", None)
    assert (counts.passed, counts.failed, counts.skipped) == (0, 0, 1)
    assert counts.skips == ["no wheel"]


def test_the_last_line_is_the_sum() -> None:
    text, well = report(
        [
            (Stage("fmt", "check", 0, 1), Counts(passed=1)),
            (Stage("ops", "pytest", 0, 2), Counts(passed=20, skipped=1, skips=["t::d: no kubectl"])),
        ]
    )
    assert text.splitlines()[-1] == "21 passed, 0 failed, 1 skipped"
    assert "SKIPPED ops: t::d: no kubectl" in text
    assert well


def test_nothing_run_is_not_well() -> None:
    assert report([(Stage("dynamo", "pytest", 69, 0), Counts(skipped=1, skips=["x"]))])[1] is False


STUB_CARGO = """#!/bin/sh
case "$1" in
    fmt) [ "$2" = --version ] || { echo 'Diff in x.rs'; exit 1; } ;;
    clippy) exit 1 ;;
    test) printf '%s\\n' 'test a ... ok' 'test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out' ;;
esac
"""


def run_stages(tmp_path: Path, *stages: str, setup: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the script in a copy of its own with a stub for cargo; nothing is fetched.

    `setup` is the text of integration/dynamo/setup.sh, which is not there otherwise.
    """
    (tmp_path / "integration").mkdir()
    for name in ("run", "summary.py"):
        (tmp_path / "integration" / name).write_bytes((ROOT / "integration" / name).read_bytes())
    if setup is not None:
        (tmp_path / "integration" / "dynamo").mkdir()
        (tmp_path / "integration" / "dynamo" / "setup.sh").write_text(setup)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("cmake", "cargo-deny", "systemd-analyze", "node", "npm"):
        (programs / name).write_text("#!/bin/sh\n")
    (programs / "cargo").write_text(STUB_CARGO)
    for program in programs.iterdir():
        program.chmod(0o755)
    return subprocess.run(
        ["bash", tmp_path / "integration" / "run", "test", *stages],
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_script_goes_on_after_a_failure_and_fails_at_the_end(tmp_path: Path) -> None:
    done = run_stages(tmp_path, "fmt", "clippy", "test", "dynamo")
    assert done.returncode == 1, done.stderr
    # fmt failed; the stub's clippy "is not installed"; 7 tests; no integration/dynamo in the copy.
    assert done.stdout.splitlines()[-1] == "7 passed, 1 failed, 2 skipped"
    assert "SKIPPED clippy: clippy is not installed" in done.stdout
    assert "SKIPPED dynamo: integration/dynamo is not in this clone" in done.stdout


def test_script_succeeds_when_all_pass(tmp_path: Path) -> None:
    done = run_stages(tmp_path, "build", "test")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "8 passed, 0 failed, 0 skipped"


def test_a_stage_stops_at_its_first_error(tmp_path: Path) -> None:
    """`set -e` is easily lost inside a function that is part of a condition."""
    done = run_stages(tmp_path, "dynamo", setup="echo 'SKIP: no wheel' >&2; exit 69\n")
    assert "SKIPPED dynamo: no wheel" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed, 1 skipped"
    # Skipping everything is no success.
    assert done.returncode == 1


def test_unknown_stage_is_a_usage_error(tmp_path: Path) -> None:
    done = run_stages(tmp_path, "tset")
    assert done.returncode == 2
    assert "no stage 'tset'" in done.stderr
