"""Labels ordinary prose with spaCy's small English model, brought to our conventions.

The teacher knows names, places, organisations, nationalities and dates; relative dates and lengths of time ("last
week", "three years") are left out, as are sentences with labels that have no counterpart here and would only confuse
(buildings, works of art, products read as organisations).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

NAMES = {"PERSON": "PERSON", "GPE": "GPE", "ORG": "ORGANIZATION", "NORP": "NRP"}
DROP = {"FAC", "WORK_OF_ART"}
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|march|april|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
YEAR = r"(?:1[4-9]\d\d|20\d\d)"
DAY = r"\d{1,2}(?:st|nd|rd|th)?"
# The part of the teacher's date that names a day, a month, a weekday or a year; "the end of", "early" and the like stay out.
CALENDAR = re.compile(
    rf"\b(?:{DAY}(?:\sof)?\s{MONTH}\b(?:,?\s{YEAR})?|{MONTH}\b\.?\s{DAY}\b(?:,?\s{YEAR})?|{MONTH}\b(?:,?\s{YEAR})?"
    rf"|\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}|{YEAR}s?|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.I,
)
CLOCK = re.compile(r"\b\d{1,2}(?::\d\d|\s?[ap]\.?m\b)", re.I)
AGE = re.compile(r"\b(\d{1,3})[- ](?:years?|yrs?|months?)[- ]olds?\b|\baged? (\d{1,3})\b", re.I)
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|Professor|Sir|Rev|Captain|Miss)\b\.?(?= [A-Z])")
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")
# What the small model takes for a name again and again in exam questions and prompts.
NOT_A_NAME = re.compile(
    r"[\d\n_=\\${}|<>@#*^]|^(?:\W*.{0,2}\W*)$|^(?:statement|note|question|answer|let|find|figure|table|what|which|"
    r"create|write|please|step|type|part|section|chapter|compute|determine|evaluate|suppose)\b",
    re.I,
)


def overlaps(spans: list[dict], start: int, end: int) -> bool:
    """Whether a span touches one that is already there."""
    return any(s["start"] < end and start < s["end"] for s in spans)


def patterns(text: str) -> list[dict]:
    """What regular expressions settle better than the teacher."""
    spans: list[dict] = []
    for label, pattern in (("EMAIL_ADDRESS", EMAIL), ("DOMAIN_NAME", URL), ("TITLE", TITLE)):
        for m in pattern.finditer(text):
            if not overlaps(spans, *m.span()):
                spans.append({"start": m.start(), "end": m.end(), "label": label})
    for m in AGE.finditer(text):
        group = 1 if m.group(1) else 2
        spans.append({"start": m.start(group), "end": m.end(group), "label": "AGE"})
    return spans


def convert(text: str, entities: list[tuple[int, int, str]]) -> list[dict] | None:
    """Our spans of a sentence, or nothing when it should not be trained on."""
    if any(label in DROP for _, _, label in entities):
        return None
    spans = patterns(text)
    for start, end, label in entities:
        piece = text[start:end]
        for lead in ("the ", "The ", "a "):
            if piece.startswith(lead) and label in ("GPE", "NORP", "DATE", "PERSON", "ORG"):
                start, piece = start + len(lead), piece[len(lead) :]
        if piece.endswith(("'s", "’s")):
            end, piece = end - 2, piece[:-2]
        start, end = start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
        piece = text[start:end]
        if not piece:
            continue
        kind = NAMES.get(label)
        if label in ("DATE", "TIME"):
            for m in [*CALENDAR.finditer(piece), *CLOCK.finditer(piece)]:
                if not overlaps(spans, start + m.start(), start + m.end()):
                    spans.append({"start": start + m.start(), "end": start + m.end(), "label": "DATE_TIME"})
        elif kind and (NOT_A_NAME.search(piece) or not any(c.isupper() for c in piece) or len(piece) > 60):
            return None
        elif kind and not overlaps(spans, start, end):
            spans.append({"start": start, "end": end, "label": kind})
    return sorted(spans, key=lambda s: s["start"])


def english(text: str) -> bool:
    """Whether nearly all letters are ASCII."""
    return sum(c.isascii() for c in text) > 0.97 * len(text)


def sources(writing: Path, exams: list[Path], prompts: Path) -> Iterator[tuple[str, str, str]]:
    """(part, source, paragraph). Only even items of WritingBench are ours; the odd ones are kept for evaluation."""
    for line in writing.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        index = int(item["index"])
        if index % 2:
            continue
        which = "test" if index % 20 == 0 else "dev" if index % 20 == 10 else "train"
        for paragraph in item["query"].split("\n"):
            yield which, "writingbench", paragraph
    for path in sorted(prompts.glob("*.txt")):
        part = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            part = line if line.startswith("[") else part
            if part == "[prompts]" and line != part:
                yield "train", "prompt", line
    for path in exams:
        which = "dev" if "dev" in path.name else "train"
        for line in path.read_text(encoding="utf-8").splitlines():
            yield which, "mmlu-pro", json.loads(line)["text"]


def main() -> None:
    """Writes one file of labelled sentences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the unpacked spaCy model")
    parser.add_argument("--writingbench", type=Path, required=True)
    parser.add_argument("--mmlu-pro", type=Path, required=True, help="folder with mmlu-pro-train.jsonl and -dev.jsonl")
    parser.add_argument("--prompts", type=Path, required=True, help="the domain classifier's handwritten prompts")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    import spacy

    nlp = spacy.load(args.model, exclude=["lemmatizer"])
    seen: set[str] = set()
    units = []
    exams = [args.mmlu_pro / "mmlu-pro-train.jsonl", args.mmlu_pro / "mmlu-pro-dev.jsonl"]
    for which, source, paragraph in sources(args.writingbench, exams, args.prompts):
        text = paragraph.strip()[:600]
        if 15 <= len(text) and text not in seen and english(text):
            seen.add(text)
            units.append((text, (which, source)))
    with args.out.open("w", encoding="utf-8") as out:
        for doc, (which, source) in nlp.pipe(units, as_tuples=True, batch_size=64):
            for sentence in [doc[:]] if len(doc.text) < 200 else list(doc.sents):
                text = sentence.text.strip()
                shift = sentence.start_char + len(sentence.text) - len(sentence.text.lstrip())
                if len(text) < 15 or len(text) > 450:
                    continue
                entities = [(e.start_char - shift, e.end_char - shift, e.label_) for e in sentence.ents]
                spans = convert(text, entities)
                if spans is not None:
                    record = {"text": text, "spans": spans, "src": source, "lang": "en", "part": which}
                    out.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
