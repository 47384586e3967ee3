"""Texts to token ids, windows and padded batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Begins a row that holds no sequence: any token will do.
FILLER = 1
# Few lengths, as every one is compiled for itself.
LENGTHS = (16, 32, 48, 80, 128)


def load_tokenizer(directory: Path) -> Tokenizer:
    """The encoder's tokenizer, without its truncation and padding."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Ids without the special tokens."""
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def windows(count: int, inner: int, overlap: int) -> list[tuple[int, int]]:
    """Where windows of `inner` tokens begin and end in a text of `count`, as the engine cuts them."""
    step = inner - overlap
    last = max(0, -(-(count - inner) // step))
    return [(start * step, min(count, start * step + inner)) for start in range(last + 1)]


def padded_length(count: int) -> int:
    """The length that a sequence is padded to."""
    return next(length for length in LENGTHS if count <= length)


def batches(
    lengths: list[int], batch_tokens: int, random: np.random.Generator | None = None
) -> Iterator[tuple[int, list[int]]]:
    """Indexes of sequences of like length, about `batch_tokens` in all, with the padded length; shuffled if wanted."""
    order = np.arange(len(lengths)) if random is None else random.permutation(len(lengths))
    buckets: dict[int, list[int]] = {}
    for index in order:
        buckets.setdefault(padded_length(lengths[index]), []).append(int(index))
    chunks = []
    for length, members in buckets.items():
        size = max(1, batch_tokens // length)
        chunks += [(length, members[at : at + size]) for at in range(0, len(members), size)]
    if random is not None:
        random.shuffle(chunks)
    yield from chunks


def pad(sequences: list[list[int]], length: int, rows: int, fill: int = 0) -> np.ndarray:
    """A `[rows, length]` array; rows beyond the sequences hold `fill` (and one token where it is 0)."""
    array = np.full((rows, length), fill, np.int32)
    if fill == 0:
        array[:, 0] = FILLER
    for row, sequence in enumerate(sequences):
        array[row, : len(sequence)] = sequence
    return array
