"""How often ONNX Runtime's int8 gives the labels of its f32, with the bundle's classifier of subjects.

    python models/benches/ort_labels.py

The same texts as `commutator models measure`, so that both columns can be compared. Needs onnxruntime, onnx, safetensors,
tokenizers, numpy. int8 is `quantize_dynamic` with a scale a channel, as in `peers.py`; `reduced` gives weights 7 bits,
which is what ONNX Runtime advises where `vpmaddubsw` would saturate.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx_graph import model
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "training"))
from quantize import dequantize  # noqa: E402

WINDOW = 128


def texts() -> list[str]:
    """As `models/src/agreement/texts.rs` makes them."""
    file = HERE.parent / "src/agreement/texts.txt"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line]
    at = [*lines, *lines]
    small = [line.lower()[:-1] for line in lines]
    return lines + small + [f"{at[i]} {at[(i + 37) % len(lines)]} {at[(i + 83) % len(lines)]}" for i in range(len(lines))]


def classifiers(bundle: Path) -> Iterator[tuple[str, dict[str, np.ndarray], list[tuple[np.ndarray, np.ndarray]]]]:
    """Name, encoder and head of each classifier that takes the mean of all tokens (the guard does not)."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    segments = {segment["name"]: segment for segment in manifest["segments"]}
    for head in manifest["heads"]:
        plain = all(stage["then"] == "nothing" for stage in head["stages"])
        if head["task"] != "sequence" or head["pooling"] != "mean" or not plain:
            continue
        chain, name = [], head["segment"]
        while name:
            chain.insert(0, segments[name])
            name = segments[name]["parent"]
        weights, first, own = dequantize(load_file(bundle / manifest["embeddings"]["file"])), 0, {}
        for segment in chain:
            own = dequantize(load_file(bundle / segment["file"]))
            for key, value in own.items():
                prefix = f"{segment['name']}.layer."
                if key.startswith(prefix):
                    number, rest = key.removeprefix(prefix).split(".", 1)
                    weights[f"encoder.layer.{first + int(number)}.{rest}"] = value
            first += segment["layers"]
        stages = [
            (own[f"head.{head['name']}.{index}.weight"], own[f"head.{head['name']}.{index}.bias"])
            for index in range(len(head["stages"]))
        ]
        yield head["name"], weights, stages


def labels(file: Path, stages: list[tuple[np.ndarray, np.ndarray]], sequences: list[np.ndarray]) -> np.ndarray:
    """The label of each sequence: the mean over its tokens, through the head."""
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = []
    for ids in sequences:
        rows = session.run(None, {"ids": ids[None], "places": np.arange(len(ids))})[0][0]
        value = rows.mean(0)
        for weight, bias in stages:
            value = weight @ value + bias
        found.append(int(value.argmax()))
    return np.array(found)


def main() -> None:
    """Prints a line a classifier and way to quantise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=HERE.parent / "bundle")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.bundle / "tokenizer.json"))
    encoded = tokenizer.encode_batch(texts())
    sequences = [np.array(one.ids[:WINDOW], np.int64) for one in encoded]
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        for name, weights, stages in classifiers(options.bundle):
            onnx.save(model(weights, "minilm-l6", None), str(full))
            expected = labels(full, stages, sequences)
            for title, reduced in (("int8", False), ("int8 reduced", True)):
                small = Path(folder) / "int8.onnx"
                quantize_dynamic(full, small, weight_type=QuantType.QInt8, per_channel=True, reduce_range=reduced)
                same = int((labels(small, stages, sequences) == expected).sum())
                print(f"{name:10} {title:13} {same} of {len(expected)} ({same / len(expected):.1%})", flush=True)


if __name__ == "__main__":
    main()
