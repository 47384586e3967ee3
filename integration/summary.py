"""Adds up what the stages of `integration/run test` did, and prints one line that says it.

    python3 integration/summary.py LOGS

LOGS holds `stages.tsv` (name, kind, exit status, seconds), `NAME.log` of each stage and `NAME.xml`
(JUnit) of each pytest suite. Standard library only: this runs on a bare machine.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

# EX_UNAVAILABLE: a stage ends with it when it cannot run on this machine.
UNAVAILABLE = 69

CARGO_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;", re.M)
CARGO_IGNORED = re.compile(r"^test (.+?) \.\.\. ignored(?:, (.*))?$", re.M)
CARGO_FAILED = re.compile(r"^test (.+?) \.\.\. FAILED$", re.M)
SKIP_LINE = re.compile(r"SKIP: (.+)$", re.M)


@dataclass
class Counts:
    """Tests of one stage; `skips` and `failures` hold a line each, with the reason of a skip."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    skips: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass
class Stage:
    """One line of `stages.tsv`."""

    name: str
    kind: str
    status: int
    seconds: int


def count_cargo(log: str) -> Counts:
    """Counts of `cargo test`'s output: the sum over all its binaries and doc tests."""
    counts = Counts()
    for passed, failed, ignored in CARGO_RESULT.findall(log):
        counts.passed += int(passed)
        counts.failed += int(failed)
        counts.skipped += int(ignored)
    counts.failures = CARGO_FAILED.findall(log)
    counts.skips = [
        f"{name}: {reason or 'ignored, no reason given'}" for name, reason in CARGO_IGNORED.findall(log)
    ]
    return counts


def count_junit(xml: str) -> Counts:
    """Counts of pytest's JUnit report. An error (of a fixture, say) is a failure."""
    counts = Counts()
    for case in ElementTree.fromstring(xml).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
            counts.failures.append(name)
        elif skipped is not None:
            counts.skipped += 1
            reason = " ".join((skipped.get("message") or "no reason given").split())
            counts.skips.append(f"{name}: {reason}")
        else:
            counts.passed += 1
    return counts


def count(stage: Stage, log: str, xml: str | None) -> Counts:
    """Counts of a stage. One that failed has at least one failure, whatever its output says."""
    if stage.status == UNAVAILABLE:
        reasons = SKIP_LINE.findall(log)
        return Counts(skipped=1, skips=[reasons[-1] if reasons else "no reason given"])
    if stage.kind == "cargo":
        counts = count_cargo(log)
        # Cargo's tests cannot skip themselves: one that says so has "passed".
        reasons = SKIP_LINE.findall(log)
        counts.passed -= len(reasons)
        counts.skipped += len(reasons)
        counts.skips += reasons
    elif stage.kind == "pytest":
        counts = count_junit(xml) if xml is not None else Counts()
    else:
        counts = Counts(passed=1 if stage.status == 0 else 0)
    if stage.status != 0 and counts.failed == 0:
        counts.failed = 1
        counts.failures.append(f"the stage itself (exit status {stage.status})")
    return counts


def read_stages(text: str) -> list[Stage]:
    """Parses `stages.tsv`."""
    rows = (line.split("\t") for line in text.splitlines())
    return [Stage(name, kind, int(status), int(seconds)) for name, kind, status, seconds in rows]


def report(results: list[tuple[Stage, Counts]]) -> tuple[str, bool]:
    """The text to print, whose last line is the sum, and whether all is well."""
    lines = ["== summary", f"{'stage':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    for stage, counts in results:
        lines.append(
            f"{stage.name:<12}{counts.passed:>8}{counts.failed:>8}{counts.skipped:>9}{stage.seconds:>9}"
        )
    for title, attribute in (("SKIPPED", "skips"), ("FAILED", "failures")):
        lines += [f"{title} {stage.name}: {line}" for stage, c in results for line in getattr(c, attribute)]
    passed = sum(counts.passed for _, counts in results)
    failed = sum(counts.failed for _, counts in results)
    skipped = sum(counts.skipped for _, counts in results)
    lines.append(f"{passed} passed, {failed} failed, {skipped} skipped")
    return "\n".join(lines), failed == 0 and passed > 0


def main() -> int:
    """Prints the summary; 0 when something passed and nothing failed."""
    logs = Path(sys.argv[1])
    results = []
    for stage in read_stages((logs / "stages.tsv").read_text()):
        xml = logs / f"{stage.name}.xml"
        log = (logs / f"{stage.name}.log").read_text(errors="replace")
        results.append((stage, count(stage, log, xml.read_text() if xml.exists() else None)))
    text, well = report(results)
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
