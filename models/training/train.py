"""Trains one branch and its head.

    python train.py --task domain|guard|pii --data build/guard --encoder build/encoder --out build/run/guard

The embeddings, and the shared layers for a branch that stands on them, are frozen in the form in which they are
served. Everything random comes from the seed in `spec.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dataset import IGNORED, Example, examples, file_hash, parts, plain_rows
from model import Model, forward, load_trained, new_model, save
from spec import SPECS, Spec
from tokens import batches, load_tokenizer, pad

RISE = 30
FALL = 0.25
REPORT_EVERY = 60.0


def class_weights(spec: Spec, train: list[Example]) -> np.ndarray:
    """The root of each label's rarity, mean 1, at most 3; 1 for tokens, where `O` is most of everything."""
    if spec.per_token:
        return np.ones(len(spec.labels), np.float32)
    counts = np.bincount([example.target[0] for example in train], minlength=len(spec.labels))
    weights = np.sqrt(counts.mean() / np.maximum(counts, 1))
    return np.clip(weights, 1 / 3, 3).astype(np.float32)


def make_loss(spec: Spec, weights: np.ndarray):
    """Cross entropy with label smoothing; positions whose target is `IGNORED` do not count."""

    def loss(trained, frozen, ids, target):
        logits = forward(frozen, trained["branch"], trained["head"], ids, spec)
        if not spec.per_token:
            target = target[:, 0]
        known = target != IGNORED
        label = jnp.where(known, target, 0)
        soft = optax.smooth_labels(jax.nn.one_hot(label, len(spec.labels)), spec.smoothing)
        factor = jnp.where(known, jnp.asarray(weights)[label], 0.0)
        return (optax.softmax_cross_entropy(logits, soft) * factor).sum() / jnp.maximum(factor.sum(), 1e-6)

    return loss


def optimiser(spec: Spec) -> optax.GradientTransformation:
    """AdamW for a rate of 1 (the loop scales it); the head learns faster; norms and biases do not decay."""

    def matrices(tree):
        return jax.tree.map(lambda x: x.ndim > 1, tree)

    def adam(factor: float) -> optax.GradientTransformation:
        return optax.adamw(factor, b2=0.98, weight_decay=spec.decay, mask=matrices)

    groups = optax.multi_transform(
        {"branch": adam(1.0), "head": adam(spec.head_factor)}, {"branch": "branch", "head": "head"}
    )
    return optax.chain(optax.clip_by_global_norm(1.0), groups)


def rate(spec: Spec, step: int, steps: int) -> float:
    """The rate rises, stays, and falls to zero over the last quarter, so that a run may be cut short before that."""
    falling = (steps - step) / (steps * FALL)
    return spec.rate * min(1.0, (step + 1) / RISE, falling)


def plan(spec: Spec, train: list[Example]) -> list[tuple[int, list[int]]]:
    """All batches of all epochs, in order."""
    random = np.random.default_rng(spec.seed + spec.order)
    lengths = [len(example.ids) for example in train]
    return [batch for _ in range(spec.epochs) for batch in batches(lengths, spec.batch_tokens, random)]


def arrays(spec: Spec, train: list[Example], length: int, members: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """A batch's ids and targets; always the same number of rows for a length, so that it is compiled once."""
    rows = max(1, spec.batch_tokens // length)
    ids = pad([train[index].ids for index in members], length, rows)
    width = length if spec.per_token else 1
    return ids, pad([train[index].target for index in members], width, rows, fill=IGNORED)


def fit(model: Model, train: list[Example], steps: int | None, out: Path) -> tuple[Model, int]:
    """Trains and returns the model and the number of steps.

    The order of the batches does not depend on `steps`. Writing a smaller number into the file `out/steps` while the
    rate has not begun to fall ends the run there; the same number as `steps` gives the same weights again. What there
    is so far is saved every minute.
    """
    spec = model.spec
    todo = plan(spec, train)
    steps = min(steps or len(todo), len(todo))
    cut = out / "steps"
    update_rule = optimiser(spec)
    loss = make_loss(spec, class_weights(spec, train))

    @jax.jit
    def step(trained, state, frozen, ids, target, rate):
        value, gradient = jax.value_and_grad(loss)(trained, frozen, ids, target)
        update, state = update_rule.update(gradient, state, trained)
        update = jax.tree.map(lambda x: x * rate, update)
        return optax.apply_updates(trained, update), state, value

    frozen = jax.device_put(model.frozen)
    trained = jax.device_put(model.trained)
    state = update_rule.init(trained)
    started = reported = time.monotonic()
    values: list[float] = []
    while len(values) < steps:
        number = len(values)
        if cut.exists() and number < int(cut.read_text()) * (1 - FALL):
            steps = min(steps, int(cut.read_text()))
        now = np.float32(rate(spec, number, steps))
        trained, state, value = step(trained, state, frozen, *arrays(spec, train, *todo[number]), now)
        values.append(float(value))
        if time.monotonic() - reported > REPORT_EVERY or len(values) == steps:
            reported = time.monotonic()
            recent = float(np.mean(values[-50:]))
            print(f"{spec.task}: step {len(values)}/{steps} loss {recent:.4f} {reported - started:.0f} s", flush=True)
            model = Model(spec, model.frozen, *(jax.device_get(trained[part]) for part in ("branch", "head")))
            save(model, out)
    return model, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=sorted(SPECS), required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, help="instead of the number in spec.py")
    parser.add_argument("--rate", type=float, help="instead of the rate in spec.py")
    parser.add_argument(
        "--parts", type=int, nargs=2, metavar=("TOKENS", "STEP"), help="means of parts; the worst counts"
    )
    parser.add_argument("--more", type=Path, help="further rows, of mine.py; each comes twice")
    parser.add_argument("--order", type=int, help="another order of the batches")
    parser.add_argument("--start", type=Path, help="go on from this trained branch instead of the encoder's layers")
    parser.add_argument("--rows", type=int, help="train on so many rows only, drawn at random")
    parser.add_argument("--steps", type=int, help="stop after so many batches")
    parser.add_argument("--own-layers", action="store_true", help="layers of its own instead of a shared trunk")
    args = parser.parse_args()
    spec = SPECS[args.task]
    changes = {key: value for key in ("epochs", "rate", "order") if (value := getattr(args, key)) is not None}
    if args.parts:
        changes["parts"] = tuple(args.parts)
    if args.own_layers:
        changes["shared"] = False
    spec = dataclasses.replace(spec, **changes)

    rows = plain_rows(args.data / "train.jsonl")
    if args.rows:
        order = np.random.default_rng(spec.seed).permutation(len(rows))
        rows = [rows[index] for index in order[: args.rows]]
    more = plain_rows(args.more) if args.more else []
    rows += 2 * more
    train = examples(spec, load_tokenizer(args.encoder), rows)
    tokens = sum(len(example.ids) for example in train)
    print(f"{spec.task}: {len(rows)} texts, {len(train)} windows, {tokens} tokens", flush=True)
    wall, cpu = time.monotonic(), time.process_time()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.start:
        model = dataclasses.replace(load_trained(args.start, args.encoder), spec=spec)
    else:
        model = new_model(spec, args.encoder)
    _, steps = fit(model, train, args.steps, args.out)
    record = {
        "steps": steps,
        "rows": len(rows),
        "windows": len(train),
        "tokens": tokens,
        "wall_s": round(time.monotonic() - wall),
        "cpu_s": round(time.process_time() - cpu),
        "data": {file.name: file_hash(file) for file in parts(args.data)},
    }
    if more:
        record["more"] = {"rows": len(more), "sha256": file_hash(args.more)}
    if args.start:
        before = json.loads((args.start / "training.json").read_text(encoding="utf-8"))
        record["start"] = [*before.get("start", []), before["steps"]]
    (args.out / "training.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
