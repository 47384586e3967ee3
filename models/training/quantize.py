"""Int8 weights: symmetric, one scale a row; biases and norms stay f32.

    python quantize.py --model build/run/guard --encoder build/encoder --data build/guard

writes `model.int8.safetensors` beside `model.safetensors`, rounded by what training texts give (`rounding.py`), and
checks on the development set that both give the same label (to every token for a token classifier) in at least
99.5 % of cases. Where they do not, `export.py` stores f16.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from encoder import Tensors

LEAST_AGREEMENT = 0.995
BLOCK = 32


def scales(matrix: np.ndarray) -> np.ndarray:
    """A row's largest value is 127 steps."""
    peak = np.abs(matrix).max(axis=1)
    return np.where(peak > 0, peak / 127.0, 1.0).astype(np.float32)


def quantize_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Int8 values and a scale a row: `value = int8 * scale`."""
    scale = scales(matrix)
    values = np.clip(np.rint(matrix / scale[:, None]), -127, 127).astype(np.int8)
    return values, scale


def quantize(tensors: Tensors) -> Tensors:
    """Every matrix as int8 and `NAME.scale`, or as it is where it has 4 bits already; everything else as f32."""
    packed: Tensors = {}
    for name, value in tensors.items():
        if value.dtype == np.uint8 or name.endswith(".scale"):
            packed[name] = value
        elif value.ndim == 2:
            packed[name], packed[f"{name}.scale"] = quantize_rows(np.asarray(value, np.float32))
        else:
            packed[name] = np.asarray(value, np.float32)
    return packed


def halve(tensors: Tensors) -> Tensors:
    """Every matrix as f16; everything else as f32."""
    return {name: value.astype(np.float16 if value.ndim == 2 else np.float32) for name, value in tensors.items()}


def unpack_blocks(packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """A matrix of 4-bit values: blocks of 32 of a row, `[rows, columns / 2]` bytes of which each holds value `i` of its
    block below and `16 + i` above, both plus 8, and a scale a block (llama.cpp's Q4_0)."""
    rows, blocks = scale.shape
    halves = packed.reshape(rows, blocks, BLOCK // 2)
    values = np.concatenate([halves & 15, halves >> 4], axis=2).astype(np.float32) - 8.0
    return (values * scale.astype(np.float32)[..., None]).reshape(rows, blocks * BLOCK)


def dequantize(packed: Tensors) -> Tensors:
    """What a reader of the bundle sees, who turns 4 bits into 8."""
    tensors: Tensors = {}
    for name, value in packed.items():
        scale = packed.get(f"{name}.scale")
        if value.dtype == np.uint8 and scale is not None:
            values, scale = quantize_rows(unpack_blocks(value, scale))
            tensors[name] = values.astype(np.float32) * scale[:, None]
        elif value.dtype == np.int8:
            tensors[name] = value.astype(np.float32) * scale[:, None]
        elif not name.endswith(".scale"):
            tensors[name] = np.asarray(value, np.float32)
    return tensors


def round_trip(tensors: Tensors) -> Tensors:
    """The tensors as they will be served; branches are trained on a trunk that went through this."""
    return dequantize(quantize(tensors))


def main() -> None:
    from model import load_trained
    from predict import agreement
    from rounding import rounded

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1000, help="texts to round by and to compare on, evenly spread")
    args = parser.parse_args()
    exact = load_trained(args.model, args.encoder)
    packed = rounded(exact, args.encoder, args.data / "train.jsonl", args.rows)
    save_file(packed, args.model / "model.int8.safetensors")
    served = load_trained(args.model, args.encoder, "model.int8.safetensors")
    share = agreement(exact, served, args.encoder, args.data / "dev.jsonl", args.rows)
    form = "int8" if share >= LEAST_AGREEMENT else "f16"
    record = {"same_label_on_dev": round(share, 5), "texts": args.rows, "stored_as": form}
    (args.model / "quantize.json").write_text(json.dumps(record) + "\n")
    print(f"int8 gives the f32 label in {share:.2%} of the development set: stored as {form}")


if __name__ == "__main__":
    main()
