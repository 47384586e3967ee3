"""Three ModernBERT classifiers a request under load: ours, and PyTorch where it can be imported, in the same run.

    models/cuda/build.sh --benchmarks
    python models/benches/gpu_load.py --binary target/cuda/artifact/gpu_load --place cuda

PyTorch gets what it does best: bf16, its own attention kernels, no padding (all texts of a row are of one length), ids
instead of texts, and whatever waits runs as one batch. `--compile` has it compile the model. Needs nothing but PyTorch;
without it only our rows are printed.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError:
    torch = None

CLASSIFIERS = 3
WINDOW = 64


@dataclass(frozen=True)
class Shape:
    """The shape of a model; those of `examples/gpu_load.rs`."""

    hidden: int
    heads: int
    inner: int
    layers: int
    vocabulary: int


SHAPES = {"modernbert-base": Shape(768, 12, 1152, 22, 2000), "tiny": Shape(64, 4, 96, 4, 500)}


@dataclass
class Row:
    """What clients got."""

    rate: float
    p50: float
    p99: float


def ours(arguments: argparse.Namespace) -> dict[tuple[int, int], Row]:
    """Runs our program."""
    command = [str(arguments.binary), "--json", "--place", arguments.place, "--shape", arguments.shape]
    command += ["--clients", arguments.clients, "--tokens", arguments.tokens, "--seconds", str(arguments.seconds)]
    if arguments.precision:
        command += ["--precision", arguments.precision]
    if arguments.plain:
        command.append("--plain")
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return {(row["tokens"], row["clients"]): Row(row["rate"], row["p50"], row["p99"]) for row in rows}


if torch is not None:

    def rotary(theta: float, tokens: int, width: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the angles."""
        speeds = theta ** (-torch.arange(0, width, 2) / width)
        angles = torch.outer(torch.arange(tokens), speeds).repeat(1, 2)
        return angles.cos(), angles.sin()

    def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turns queries or keys."""
        a, b = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-b, a], dim=-1) * sin

    class Layer(nn.Module):
        """One layer of ModernBERT."""

        def __init__(self, shape: Shape, index: int) -> None:
            super().__init__()
            hidden = shape.hidden
            self.heads, self.local = shape.heads, index % 3 != 0
            self.attention_norm = nn.LayerNorm(hidden, bias=False) if index else nn.Identity()
            self.qkv = nn.Linear(hidden, 3 * hidden, bias=False)
            self.out = nn.Linear(hidden, hidden, bias=False)
            self.norm = nn.LayerNorm(hidden, bias=False)
            self.up = nn.Linear(hidden, 2 * shape.inner, bias=False)
            self.down = nn.Linear(shape.inner, hidden, bias=False)

        def forward(self, x: Tensor, tables: dict[bool, tuple[Tensor, Tensor]], near: Tensor | None) -> Tensor:
            batch, tokens, hidden = x.shape
            parts = self.qkv(self.attention_norm(x)).view(batch, tokens, 3, self.heads, hidden // self.heads)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            query, key = turn(query, *tables[self.local]), turn(key, *tables[self.local])
            mask = near if self.local else None
            found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            x = x + self.out(found.transpose(1, 2).reshape(batch, tokens, hidden))
            inner, gate = self.up(self.norm(x)).chunk(2, dim=-1)
            return x + self.down(functional.gelu(inner) * gate)

    class Classifier(nn.Module):
        """ModernBERT with a head for two classes, for sequences of one length."""

        def __init__(self, shape: Shape, tokens: int) -> None:
            super().__init__()
            self.words = nn.Embedding(shape.vocabulary, shape.hidden)
            self.first = nn.LayerNorm(shape.hidden, bias=False)
            self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
            self.last = nn.LayerNorm(shape.hidden, bias=False)
            self.dense = nn.Linear(shape.hidden, shape.hidden, bias=False)
            self.norm = nn.LayerNorm(shape.hidden, bias=False)
            self.classes = nn.Linear(shape.hidden, 2)
            width = shape.hidden // shape.heads
            for name, theta in (("global", 160_000.0), ("local", 10_000.0)):
                cos, sin = rotary(theta, tokens, width)
                self.register_buffer(f"{name}_cos", cos)
                self.register_buffer(f"{name}_sin", sin)
            places = torch.arange(tokens)
            near = (places[:, None] - places[None, :]).abs() <= WINDOW
            self.register_buffer("near", None if near.all() else near)

        def forward(self, ids: Tensor) -> Tensor:
            tables = {False: (self.global_cos, self.global_sin), True: (self.local_cos, self.local_sin)}
            x = self.first(self.words(ids))
            for layer in self.layers:
                x = layer(x, tables, self.near)
            first = self.last(x[:, 0])
            return self.classes(self.norm(functional.gelu(self.dense(first))))


class Peer:
    """A model behind a queue; whatever waits runs as one batch."""

    def __init__(self, arguments: argparse.Namespace, tokens: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.device = "cuda" if arguments.place == "cuda" else "cpu"
        default = "bf16" if self.device == "cuda" else "f32"
        dtype = torch.bfloat16 if (arguments.precision or default) == "bf16" else torch.float32
        model = Classifier(SHAPES[arguments.shape], tokens).to(self.device, dtype).eval()
        self.model = torch.compile(model, dynamic=True) if arguments.compile else model
        self.most = max(1, 8192 // tokens)
        self.waiting: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        """Runs batches for ever."""
        while True:
            batch = [self.waiting.get()]
            while len(batch) < self.most and not self.waiting.empty():
                batch.append(self.waiting.get())
            ids = torch.stack([ids for ids, _ in batch]).to(self.device, non_blocking=True)
            with torch.inference_mode():
                self.model(ids).float().cpu()
            for _, done in batch:
                done.release()


def theirs(arguments: argparse.Namespace, tokens: int, clients: int, peers: list[Peer]) -> Row:
    """The same load on PyTorch; a thread a client."""
    vocabulary = SHAPES[arguments.shape].vocabulary
    begin = time.perf_counter()
    warm, end = begin + 0.1 * arguments.seconds, begin + 1.1 * arguments.seconds
    times: list[tuple[float, float]] = []

    def client(number: int) -> None:
        ids = torch.randint(4, vocabulary, (tokens,), generator=torch.Generator().manual_seed(number))
        done = threading.Semaphore(0)
        while (asked := time.perf_counter()) < end:
            for peer in peers:
                peer.waiting.put((ids, done))
            for _ in peers:
                done.acquire()
            now = time.perf_counter()
            times.append((now, now - asked))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = sorted(took for at, took in times if at >= warm)
    last = max((at for at, _ in times), default=warm)
    if not took:
        return Row(0.0, float("nan"), float("nan"))

    def at(share: float) -> float:
        return took[int((len(took) - 1) * share)] * 1e3

    return Row(len(took) / max(last - warm, 1e-9), at(0.5), at(0.99))


def main() -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True, help="our example `gpu_load`")
    parser.add_argument("--place", default="cuda", choices=["cuda", "cpu", "native"])
    parser.add_argument("--precision", choices=["bf16", "f32"])
    parser.add_argument("--shape", default="modernbert-base", choices=sorted(SHAPES))
    parser.add_argument("--clients", default="1,8,32,128")
    parser.add_argument("--tokens", default="64,512")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--plain", action="store_true", help="ours with candle's own kernels only")
    parser.add_argument("--compile", action="store_true", help="let PyTorch compile the model")
    arguments = parser.parse_args()
    rows = ours(arguments)
    print("| tokens | clients | ours requests/s | p50 ms | p99 ms | PyTorch requests/s | p50 ms | p99 ms | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    peers: dict[int, list[Peer]] = {}
    for (tokens, clients), row in rows.items():
        line = f"| {tokens} | {clients} | {row.rate:.1f} | {row.p50:.2f} | {row.p99:.2f} |"
        if torch is None:
            print(f"{line} - | - | - | - |")
            continue
        if tokens not in peers:
            peers[tokens] = [Peer(arguments, tokens, seed) for seed in range(CLASSIFIERS)]
        peer = theirs(arguments, tokens, clients, peers[tokens])
        print(f"{line} {peer.rate:.1f} | {peer.p50:.2f} | {peer.p99:.2f} | {row.rate / max(peer.rate, 1e-9):.2f} |")


if __name__ == "__main__":
    main()
