"""Make tiny random checkpoints with transformers, and what it computes with them.

For every architecture and task a directory under OUT with config.json, weights, a tokenizer and expected.json:
sequences of token ids, and the outputs for each alone and for all in one padded batch. The Rust tests read them and
need no Python. Everything follows from fixed seeds. To make them again:

    python3 -m venv VENV
    VENV/bin/pip install torch transformers safetensors
    VENV/bin/python models/parity/make.py models/parity/fixtures

Made with transformers 5.23.0 and torch 2.15.0.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

VOCABULARY = 64
HIDDEN = 32
# Shorter and longer than the window of ModernBERT below, and long enough for several blocks of it.
LENGTHS = [1, 6, 9, 17, 40, 70]
POSITIONS = 80
PADDING = 1
TOLERANCE = 2e-5

COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": PADDING,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
XLMR = COMMON | {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "max_position_embeddings": POSITIONS + 2}
DISTIL = {
    "vocab_size": VOCABULARY,
    "dim": HIDDEN,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": PADDING,
}
MODERN = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": PADDING,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "local_attention": 16,
    "rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 160000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
    },
}
# Longer than the local window and than what the model was "first trained on", as the 32k models are.
YARN: dict[str, Any] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 20}
BIASES = {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}
# As DeBERTa-v3 is, with fewer buckets, so that the sequences reach the logarithmic ones.
DEBERTA = COMMON | {
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
    "relative_attention": True,
    "share_att_key": True,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 16,
    "max_relative_positions": -1,
    "pooler_hidden_size": HIDDEN,
}


@dataclass
class Case:
    """One checkpoint."""

    name: str
    model: str
    config: dict[str, Any]
    task: str
    labels: int = 3
    pooling: str = "mean"
    lengths: list[int] = field(default_factory=lambda: LENGTHS)
    spread: float = 0.25
    change_config: Callable[[dict[str, Any]], None] | None = None
    save: dict[str, Any] = field(default_factory=dict)


def older_spelling(config: dict[str, Any]) -> None:
    """Write ModernBERT's configuration as transformers 4 did."""
    rope = config.pop("rope_parameters")
    config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
    config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
    config["layer_norm_eps"] = config.pop("norm_eps")
    config["global_attn_every_n_layers"] = 3
    del config["layer_types"]
    config["label2id"] = {"first": 0, "second": 1, "third": 2}
    config.pop("id2label")


def rope(**fields: Any) -> dict[str, Any]:
    """MODERN with these angles in both kinds of layers, each with its own base."""
    bases = {kind: parameters["rope_theta"] for kind, parameters in MODERN["rope_parameters"].items()}
    return MODERN | {"rope_parameters": {kind: fields | {"rope_theta": base} for kind, base in bases.items()}}


def older_scaling(config: dict[str, Any]) -> None:
    """Write scaled angles as transformers 4 did, and what mmBERT's configurations say of positions."""
    scaling = dict(config["rope_parameters"]["full_attention"])
    del scaling["rope_theta"]
    scaling["type"] = scaling.pop("rope_type")
    older_spelling(config)
    config["rope_scaling"] = scaling
    config["position_embedding_type"] = "sans_pos"
    del config["label2id"]


def drop(*names: str) -> Callable[[dict[str, Any]], None]:
    """Leave fields out."""

    def change(config: dict[str, Any]) -> None:
        for name in names:
            config.pop(name, None)

    return change


CASES = [
    Case("bert-sequence", "BertForSequenceClassification", COMMON, "sequence"),
    Case("bert-token", "BertForTokenClassification", COMMON, "token", labels=5),
    Case("bert-embedding", "BertModel", COMMON, "embedding"),
    # For two classes transformers 5 writes no labels; here none are left in any case.
    Case(
        "distilbert-sequence",
        "DistilBertForSequenceClassification",
        DISTIL,
        "sequence",
        labels=2,
        change_config=drop("id2label", "label2id"),
    ),
    Case("distilbert-token", "DistilBertForTokenClassification", DISTIL, "token", labels=5),
    Case(
        "xlm-roberta-sequence",
        "XLMRobertaForSequenceClassification",
        XLMR,
        "sequence",
        change_config=drop("position_embedding_type"),
        save={"max_shard_size": "30KB"},
    ),
    Case("xlm-roberta-token", "XLMRobertaForTokenClassification", XLMR, "token", labels=5),
    Case("xlm-roberta-embedding", "XLMRobertaModel", XLMR, "embedding", pooling="cls"),
    Case("modernbert-sequence", "ModernBertForSequenceClassification", MODERN, "sequence"),
    Case(
        "modernbert-sequence-older",
        "ModernBertForSequenceClassification",
        MODERN | {"classifier_pooling": "mean"},
        "sequence",
        change_config=older_spelling,
    ),
    Case("modernbert-token", "ModernBertForTokenClassification", MODERN | BIASES, "token", labels=5),
    Case("modernbert-embedding", "ModernBertModel", MODERN, "embedding"),
    Case("deberta-sequence", "DebertaV2ForSequenceClassification", DEBERTA, "sequence"),
    Case("deberta-token", "DebertaV2ForTokenClassification", DEBERTA, "token", labels=5),
    Case(
        "deberta-embedding",
        "DebertaV2Model",
        DEBERTA
        | {
            "position_biased_input": True,
            "type_vocab_size": 2,
            "position_buckets": -1,
            "max_relative_positions": 24,
            "norm_rel_ebd": "none",
            "pos_att_type": "c2p",
        },
        "embedding",
    ),
    Case("modernbert-yarn-sequence", "ModernBertForSequenceClassification", rope(**YARN), "sequence"),
    # What the published 32k models are: spelled as transformers 4 did, all fields given.
    Case(
        "modernbert-yarn-token-older",
        "ModernBertForTokenClassification",
        rope(**YARN, beta_fast=8.0, beta_slow=0.5, attention_factor=0.9),
        "token",
        labels=5,
        change_config=older_scaling,
    ),
    # Other fields, in one kind of layer only.
    Case(
        "modernbert-yarn-embedding",
        "ModernBertModel",
        MODERN
        | {
            "rope_parameters": {
                "full_attention": YARN
                | {"rope_theta": 160000.0, "factor": 8.0, "mscale": 2.0, "mscale_all_dim": 0.5},
                "sliding_attention": MODERN["rope_parameters"]["sliding_attention"],
            },
        },
        "embedding",
    ),
    Case("modernbert-linear-token", "ModernBertForTokenClassification", rope(rope_type="linear", factor=2.5), "token"),
    Case(
        "modernbert-llama3-sequence",
        "ModernBertForSequenceClassification",
        rope(
            rope_type="llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=40,
        ),
        "sequence",
    ),
]


# The shapes of real models, for measuring: much too large to keep.
BASE = [
    Case(
        "modernbert-base-sequence",
        "ModernBertForSequenceClassification",
        {"pad_token_id": PADDING, "layer_types": None},
        "sequence",
        lengths=[16, 64, 512],
        spread=0.03,
    ),
    Case(
        "minilm-embedding",
        "BertModel",
        {
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 12,
            "intermediate_size": 1536,
            "pad_token_id": PADDING,
        },
        "embedding",
        lengths=[16, 64, 256, 512],
        spread=0.05,
    ),
    Case(
        "deberta-v3-base-token",
        "DebertaV2ForTokenClassification",
        DEBERTA
        | {
            "vocab_size": 128100,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "max_position_embeddings": 512,
            "position_buckets": 256,
            "pooler_hidden_size": 768,
        },
        "token",
        lengths=[16, 64, 512],
        spread=0.03,
    ),
]


def build(case: Case) -> nn.Module:
    """A model in which every weight matters: no zeros, no ones, sharp enough for errors to show."""
    cls = getattr(transformers, case.model)
    fields = dict(case.config)
    if case.task != "embedding":
        names = [f"label-{index}" for index in range(case.labels)]
        fields["id2label"] = dict(enumerate(names))
        fields["label2id"] = {name: index for index, name in enumerate(names)}
    model = cls(cls.config_class(**fields, attn_implementation="eager")).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            spread = case.spread if weight.dim() > 1 else case.spread * 0.6
            weight.normal_(0.0, spread)
            if "norm" in name.lower() and name.endswith("weight"):
                weight.add_(1.0)
    return model


def pooled(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """A vector of length 1 for each sequence, as sentence-transformers does."""
    if pooling == "cls":
        vectors = hidden[:, 0]
    else:
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        vectors = (hidden * weights).sum(1) / weights.sum(1)
    return nn.functional.normalize(vectors)


def outputs(case: Case, model: nn.Module, sequences: list[list[int]]) -> list[list[float]]:
    """The numbers for each of the sequences, which run as one padded batch."""
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), PADDING)
    mask = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    with torch.no_grad():
        result = model(input_ids=ids, attention_mask=mask)
    if case.task == "token":
        return [result.logits[row, : len(sequence)].flatten().tolist() for row, sequence in enumerate(sequences)]
    table = result.logits if case.task == "sequence" else pooled(result.last_hidden_state, mask, case.pooling)
    return table.tolist()


def write_tokenizer(directory: Path) -> None:
    """A word a token."""
    names = ["<s>", "<pad>", "[CLS]", "[SEP]", "[UNK]"]
    names += [f"w{index}" for index in range(len(names), VOCABULARY)]
    tokenizer = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(directory / "tokenizer.json"), pretty=False)


def write_sentence_folders(directory: Path, pooling: str) -> None:
    """The folders that sentence-transformers adds."""
    prefix = "sentence_transformers.models"
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    entries = [
        {"idx": index, "name": str(index), "path": path, "type": f"{prefix}.{kind}"}
        for index, (path, kind) in enumerate(modules)
    ]
    (directory / "modules.json").write_text(json.dumps(entries))
    (directory / "1_Pooling").mkdir()
    modes = {
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": pooling == "cls",
        "pooling_mode_mean_tokens": pooling == "mean",
    }
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(modes))


def make(case: Case, seed: int, out: Path) -> None:
    """Write one checkpoint with its expected outputs."""
    torch.manual_seed(seed)
    directory = out / case.name
    if directory.exists():
        shutil.rmtree(directory)
    model = build(case)
    model.save_pretrained(directory, **case.save)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    if case.change_config:
        case.change_config(config)
    path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    write_tokenizer(directory)
    if case.task == "embedding":
        write_sentence_folders(directory, case.pooling)
    sequences = [[2, *torch.randint(5, VOCABULARY, (length - 1,)).tolist()] for length in case.lengths]
    alone = [outputs(case, model, [sequence])[0] for sequence in sequences]
    padded = outputs(case, model, sequences)
    worst = max(abs(a - b) for one, two in zip(alone, padded) for a, b in zip(one, two))
    size = max(abs(value) for row in alone for value in row)
    print(f"{case.name}: largest output {size:.2f}, alone and padded differ by {worst:.1e}")
    if worst > TOLERANCE and case.lengths == LENGTHS:
        raise SystemExit(f"{case.name}: transformers itself differs by {worst}")
    expected = {"task": case.task, "sequences": sequences, "alone": rounded(alone), "padded": rounded(padded)}
    (directory / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


def rounded(table: list[list[float]]) -> list[list[float]]:
    """Seven digits say all that 32 bits know."""
    return [[float(f"{value:.7g}") for value in row] for row in table]


def write_buckets(out: Path) -> None:
    """DeBERTa's buckets of the distances 0, 1, 2…, with the numbers of the published v3 models."""
    distances = torch.arange(0, 1100)
    buckets = make_log_bucket_position(distances, 256, 512).to(torch.long).tolist()
    table = {"buckets": 256, "max_distance": 512, "bucket": buckets}
    (out / "deberta-buckets.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")


def write_speeds(out: Path) -> None:
    """Speeds and sizes of scaled rotary angles, for heads as wide as the published models' and for odd ones."""
    llama3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}
    kinds: list[dict[str, Any]] = [
        {"rope_type": "linear", "factor": 2.5},
        {"rope_type": "llama3", "factor": 8.0} | llama3,
        yarn,
        yarn | {"truncate": False},
        yarn | {"factor": 16.0, "beta_fast": 64.0, "beta_slow": 0.25, "attention_factor": 0.75},
        yarn | {"mscale": 1.5, "mscale_all_dim": 0.5},
        # So short that the bounds fall together.
        yarn | {"original_max_position_embeddings": 1},
    ]
    rows = []
    for kind in kinds:
        for theta, width in [(160000.0, 64), (10000.0, 24)]:
            config = transformers.LlamaConfig(
                hidden_size=width,
                num_attention_heads=1,
                max_position_embeddings=32768,
                rope_parameters=kind | {"rope_theta": theta},
            )
            speeds, size = ROPE_INIT_FUNCTIONS[kind["rope_type"]](config)
            table = speeds.double().tolist()
            rows.append({"scaling": kind | {"rope_theta": theta}, "width": width, "size": size, "speeds": table})
    (out / "rotary-speeds.json").write_text(json.dumps(rows, separators=(",", ":")) + "\n")


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where the directories go")
    parser.add_argument("--base", action="store_true", help="instead of tiny ones those of real shapes, for measuring")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these; each still has its own seed")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    transformers.logging.set_verbosity_error()
    for seed, case in enumerate(BASE if arguments.base else CASES):
        if not arguments.only or case.name in arguments.only:
            make(case, seed, out)
    if not arguments.base:
        write_buckets(out)
        write_speeds(out)


if __name__ == "__main__":
    main()
