"""Rounds a branch's matrices to int8 so that what they give on real texts changes least.

The nearest value of each weight is not the best one: the columns of a matrix are rounded one after another, and what
one got wrong is made up for by those that follow, as far as their inputs go together (Frantar and others, "GPTQ",
arXiv 2210.17323; here with the columns of the strongest inputs first and one scale a row, as the engine reads them).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset import plain_rows, spread
from quantize import quantize, scales
from tokens import batches, load_tokenizer, pad, windows

if TYPE_CHECKING:
    from encoder import Tensors
    from model import Model

# So much of the mean square is added to each column's, that the matrix can be inverted and no single text rules.
DAMPING = 0.01


def products(model: Model, encoder: Path, texts: list[str]) -> Tensors:
    """By the name of each of the branch's linear maps: the sum over the texts' tokens of `x xᵀ`, x its input."""
    from encoder import embed, run_layers
    from predict import BATCH_TOKENS

    spec = model.spec
    found: Tensors = {}
    tokenizer = load_tokenizer(encoder)
    sequences = [
        spec.on.framed(encoding.ids[start:end])
        for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)
        for start, end in windows(len(encoding.ids), spec.inner, spec.overlap)
    ]
    for length, members in batches([len(ids) for ids in sequences], BATCH_TOKENS):
        ids = pad([sequences[index] for index in members], length, len(members))
        mask = ids != 0
        x = run_layers(model.frozen, embed(model.frozen, ids), mask)
        run_layers(model.branch, x, mask, partial(add_product, found, mask.reshape(-1)))
    return found


def add_product(found: Tensors, there: np.ndarray, name: str, x) -> None:
    """Adds `x xᵀ` of the tokens that are there."""
    inputs = np.asarray(x, np.float32)[there]
    found[name] = found.get(name, 0.0) + inputs.T @ inputs


def round_matrix(matrix: np.ndarray, product: np.ndarray) -> np.ndarray:
    """The matrix `[out, in]` in steps of its rows' scales, as int8; `product` is `[in, in]`."""
    scale = scales(matrix)[:, None].astype(np.float64)
    order = np.argsort(-np.diag(product), kind="stable")
    square = product[np.ix_(order, order)].astype(np.float64)
    square += np.eye(len(square)) * max(DAMPING * float(np.diag(square).mean()), 1e-9)
    # The upper triangle U with UᵀU = square⁻¹: row i says how the error of column i is spread over those behind it.
    spread_of = np.linalg.cholesky(np.linalg.inv(square)).T
    rest = matrix[:, order].astype(np.float64) / scale
    steps = np.zeros(matrix.shape, np.int8)
    for column in range(rest.shape[1]):
        rounded = np.clip(np.rint(rest[:, column]), -127, 127)
        steps[:, order[column]] = rounded
        wrong = (rest[:, column] - rounded) / spread_of[column, column]
        rest[:, column + 1 :] -= np.outer(wrong, spread_of[column, column + 1 :])
    return steps


def rounded(model: Model, encoder: Path, file: Path, most: int) -> Tensors:
    """The trained tensors in int8, rounded by at most `most` texts of a file that chooses nothing else."""
    texts = [row["text"] for row in spread(plain_rows(file), most)]
    packed = quantize(model.tensors)
    for name, product in products(model, encoder, texts).items():
        full = f"{model.spec.head}.{name}.weight"
        packed[full] = round_matrix(model.tensors[full], product)
    return packed
