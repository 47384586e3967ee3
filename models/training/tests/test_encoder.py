"""The forward pass agrees with the published model, and the bundle holds what was exported."""

import numpy as np
import pytest

pytest.importorskip("jax")

from bundle import load_heads, verify
from encoder import (
    embed,
    embedding_tensors,
    layer_tensors,
    load_encoder,
    mean_pool,
    part_means,
    run_layers,
    worst,
)
from model import new_model, save
from predict import Runner
from quantize import round_trip
from spec import SPECS
from tokens import load_tokenizer, pad, token_ids
from trunks import TRUNKS

# The first components of sentence-transformers' normalised embeddings (version 6.2.0, PyTorch, f32).
PUBLISHED = {
    "The cat sits on the mat.": [0.134177, -0.0329, -0.024804, 0.041439, -0.036348, 0.041814],
    "Wie spät ist es in München? 東京": [0.064373, 0.044395, 0.059934, -0.035502, -0.086589, 0.108785],
    "x": [-0.09791, -0.064001, -0.023181, -0.046197, 0.0217, -0.028492],
    "Please summarise the following quarterly report for the board in three short bullet points.": [
        0.049651, 0.009363, -0.040397, 0.006881, 0.000775, 0.087605,
    ],
}  # fmt: skip


def embeddings(encoder_dir, change=lambda tensors: tensors) -> np.ndarray:
    """Normalised embeddings of the sentences, in one padded batch."""
    _, tensors = load_encoder(encoder_dir)
    layers, tables = change(layer_tensors(tensors, 0, 6)), change(embedding_tensors(tensors))
    sequences = [TRUNKS["minilm"].framed(ids) for ids in token_ids(load_tokenizer(encoder_dir), list(PUBLISHED))]
    ids = pad(sequences, 32, len(sequences))
    pooled = np.asarray(mean_pool(run_layers(layers, embed(tables, ids), ids != 0), ids != 0))
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def test_embeddings_are_the_published_ones(encoder_dir):
    wanted = np.array(list(PUBLISHED.values()))
    assert np.abs(embeddings(encoder_dir)[:, : wanted.shape[1]] - wanted).max() < 2e-6


def test_int8_embeddings_point_the_same_way(encoder_dir):
    exact, served = embeddings(encoder_dir), embeddings(encoder_dir, round_trip)
    assert (exact * served).sum(1).min() > 0.995


def test_padding_changes_nothing(encoder_dir):
    runner = Runner(new_model(SPECS["guard"], encoder_dir), encoder_dir)
    texts = ["hello", "a much longer sentence about something else entirely, which needs more room than the first"]
    together = runner.sequence_logits(texts)
    alone = [runner.sequence_logits([text])[0] for text in texts]
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(together, alone, strict=True))


def test_long_texts_give_logits_for_every_token(encoder_dir):
    runner = Runner(new_model(SPECS["pii"], encoder_dir), encoder_dir)
    text = "word " * 400
    ((offsets, logits),) = runner.token_logits([text])
    assert len(offsets) == len(logits) == 400
    assert np.abs(logits).sum(1).min() > 0


def test_a_bundle_can_be_read_back(encoder_dir, tmp_path, monkeypatch):
    import export

    for task, spec in SPECS.items():
        save(new_model(spec, encoder_dir), tmp_path / task)
    arguments = ["export", "--encoder", str(encoder_dir), "--out", str(tmp_path / "bundle")]
    for task in SPECS:
        arguments += [f"--{task}", str(tmp_path / task)]
    monkeypatch.setattr("sys.argv", arguments)
    export.main()
    heads = load_heads(tmp_path / "bundle")
    for task, spec in SPECS.items():
        wanted = round_trip(new_model(spec, encoder_dir).branch)
        assert heads[task].model.spec.labels == spec.labels
        assert set(heads[task].model.branch) == set(wanted)
        assert all(np.array_equal(heads[task].model.branch[name], wanted[name]) for name in wanted)
    kept = ["--keep", str(tmp_path / "bundle"), "--guard", str(tmp_path / "guard"), "--out", str(tmp_path / "second")]
    monkeypatch.setattr("sys.argv", ["export", "--encoder", str(encoder_dir), *kept])
    export.main()
    assert verify(tmp_path / "second") == verify(tmp_path / "bundle")
    (tmp_path / "bundle" / "pii.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"pii\.safetensors"):
        verify(tmp_path / "bundle")


def test_parts_are_what_loops_give():
    x = np.random.default_rng(0).normal(size=(4, 20, 3)).astype(np.float32)
    lengths = np.array([1, 5, 13, 20])
    mask = np.arange(20) < lengths[:, None]
    means, there = part_means(x, mask, (6, 4))
    for row, length in enumerate(lengths):
        starts = range(0, max(1, length - 6 + 4), 4)
        assert np.asarray(there)[row].sum() == len(starts)
        for index, start in enumerate(starts):
            wanted = x[row, start : min(start + 6, length)].mean(0)
            np.testing.assert_allclose(np.asarray(means)[row, index], wanted, atol=1e-6)


def test_the_worst_part_is_that_with_the_largest_margin():
    logits = np.array([[[0.0, 1.0], [5.0, 7.0], [0.0, 9.0]]], np.float32)
    assert np.asarray(worst(logits, np.array([[True, True, False]]))).tolist() == [[5.0, 7.0]]
