"""The prompts of `integration/data/harmless.jsonl`, and a table of those that guards stop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).resolve().parents[1] / "data" / "harmless.jsonl"

GUARDS = ("pii", "jailbreak")


class Prompt(NamedTuple):
    """One harmless prompt."""

    id: str
    lang: str
    kind: str
    messages: list[dict[str, Any]]


class Stopped(NamedTuple):
    """A harmless prompt that a guard stopped."""

    prompt: Prompt
    guard: str
    labels: tuple[str, ...]
    score: float | None


def prompts() -> list[Prompt]:
    """All prompts, in the file's order."""
    rows = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    return [
        Prompt(
            row["id"],
            row["lang"],
            row["kind"],
            row.get("messages") or [{"role": "user", "content": row["text"]}],
        )
        for row in rows
    ]


def report(asked: Sequence[Prompt], stopped: Iterable[Stopped]) -> str:
    """How many were stopped: by guard, by language, by kind; and which."""
    stopped = list(stopped)
    lines = [f"false positives of {len(asked)} harmless prompts"]
    for guard in GUARDS:
        lines.append(f"  {guard:>9} {sum(one.guard == guard for one in stopped):4}")
    either = {one.prompt.id for one in stopped}
    lines.append(f"  {'either':>9} {len(either):4}  {len(either) / len(asked):.1%}")
    for field in ("lang", "kind"):
        of = Counter(getattr(prompt, field) for prompt in asked)
        lines += ["", f"{field:<20}{'of':>5}" + "".join(f"{guard:>11}" for guard in GUARDS)]
        for value, count in of.items():
            hits = Counter(one.guard for one in stopped if getattr(one.prompt, field) == value)
            lines.append(
                f"{value:<20}{count:>5}" + "".join(f"{hits[guard]:>11}" for guard in GUARDS)
            )
    lines.append("")
    for one in stopped:
        score = "" if one.score is None else f" {one.score:.3f}"
        lines.append(f"{one.prompt.id} {one.prompt.kind}: {','.join(one.labels)}{score}")
    return "\n".join(lines)
