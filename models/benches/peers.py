"""Times our encoder, ONNX Runtime, PyTorch and candle in turn on the same weights; prints milliseconds and ratios.

    cargo build --release --workspace --example encoder_speed
    python models/benches/peers.py --binary target/release/examples/encoder_speed

Needs onnxruntime, onnx, safetensors, numpy; torch and transformers too, unless --peers leaves torch out. The machine
may be busy: the programs take turns within a round, the minimum over the rounds counts, and with one thread it is the
time on a processor, not on the wall.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx_graph import SHAPES, model
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file

VOCABULARY = 2000
PEERS = ("ort", "torch", "candle")
# What each of ours is compared with: both of our kernels for 8-bit weights with ONNX Runtime's only one.
OURS = {"f32": "f32", "int8": "int8", "w8a8": "int8"}
# ONNX Runtime's threads look for work for longer than 20 milliseconds after a run (less than 100 here) and take a core
# from whoever comes next.
REST = 0.2

Runs = dict[str, Callable[[], float]]


class Worker:
    """Our side or candle, over a pipe."""

    def __init__(self, binary: Path, kind: str, shape: str, threads: int) -> None:
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
        command = [str(binary), kind, shape]
        self.threads = threads
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def time(self, precision: str, batch: int | str, tokens: int = 0, heads: int = 0) -> float:
        """Milliseconds of a forward pass."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{precision} {self.threads} {batch} {tokens} {heads}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def session(path: Path, threads: int) -> ort.InferenceSession:
    """A session with so many threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def timed(work: Callable[[], object], threads: int) -> float:
    """Milliseconds: of the processor for one thread, as the workers count, else of a clock on the wall."""
    clock = time.process_time if threads == 1 else time.perf_counter
    start = clock()
    work()
    return (clock() - start) * 1e3


def best_of(runs: Runs, rounds: int) -> dict[str, float]:
    """The least time of each, taken in turn; the first round warms up."""
    best = dict.fromkeys(runs, float("inf"))
    for turn in range(rounds + 1):
        for name, run in runs.items():
            took = run()
            if turn > 0:
                best[name] = min(best[name], took)
            time.sleep(REST)
    return best


class Bench:
    """One shape with all who run it."""

    def __init__(self, options: argparse.Namespace, shape: str, folder: Path) -> None:
        self.options, self.shape, self.folder = options, shape, folder
        self.generator = np.random.default_rng(0)
        file = folder / f"{shape}.safetensors"
        subprocess.run([options.binary, "export", shape, file], check=True)
        self.weights = load_file(file)
        self.torch = None
        if "torch" in options.peers:
            import torch_model

            self.torch = torch_model.model(self.weights, shape)

    def graphs(self, tokens: int) -> dict[str, Path]:
        """ONNX files for a number of tokens."""
        full, small = self.folder / "full.onnx", self.folder / "int8.onnx"
        onnx.save(model(self.weights, self.shape, tokens), str(full))
        quantize_dynamic(full, small, weight_type=QuantType.QInt8, per_channel=True)
        return {"f32": full, "int8": small}

    def torch_run(self, ids: np.ndarray, threads: int) -> Callable[[], object]:
        """A forward pass of PyTorch."""
        import torch

        torch.set_num_threads(threads)
        given = torch.from_numpy(ids)

        def run() -> np.ndarray:
            with torch.inference_mode():
                return self.torch(input_ids=given).last_hidden_state.numpy()

        return run

    def compare(self, ours: Worker, candle: Worker | None, tokens: int) -> None:
        """Prints a line a batch: all peers at a length."""
        threads = ours.threads
        graphs = self.graphs(tokens) if "ort" in self.options.peers else {}
        sessions = {name: session(path, threads) for name, path in graphs.items()}
        for batch in self.options.batch:
            ids = self.generator.integers(1, VOCABULARY, (batch, tokens))
            runs: Runs = {}
            for name in OURS:
                runs[f"ours {name}"] = lambda name=name: ours.time(name, batch, tokens)
                if name in sessions:
                    work = sessions[name]
                    runs[f"ort {name}"] = lambda work=work: timed(lambda: work.run(None, {"ids": ids}), threads)
            if self.torch is not None:
                run = self.torch_run(ids, threads)
                if "f32" in sessions:
                    found = sessions["f32"].run(None, {"ids": ids})[0]
                    assert np.abs(run() - found).max() < 1e-2, "PyTorch and ONNX Runtime do not run the same model"
                runs["torch f32"] = lambda run=run: timed(run, threads)
            if candle is not None:
                runs["candle f32"] = lambda: candle.time("f32", batch, tokens)
            best = best_of(runs, self.options.rounds)
            title = f"{self.shape} t{threads} b{batch} {tokens:4}"
            peers = [(peer, mine) for peer in best for mine in OURS if peer.split()[0] != "ours"]
            line(title, best, [(p, f"ours {m}") for p, m in peers if p.split()[1] == OURS[m]])

    def packed(self, ours: Worker) -> None:
        """Sixteen requests of 9 to 404 tokens: in one pass, and one after another."""
        for name in OURS:
            runs: Runs = {kind: lambda kind=kind, name=name: ours.time(name, kind) for kind in ("mix", "alone")}
            best = best_of(runs, self.options.rounds)
            line(f"{self.shape} t{ours.threads} 16 requests {name}", best, [("mix", "alone")])

    def heads(self, ours: Worker) -> None:
        """Three classifiers of tokens on one trunk, and one."""
        for name in OURS:
            for tokens in (64, 512):
                counts = {f"{heads} heads": heads for heads in (3, 1)}
                runs: Runs = {
                    text: lambda heads=heads, name=name, tokens=tokens: ours.time(name, 1, tokens, heads)
                    for text, heads in counts.items()
                }
                best = best_of(runs, self.options.rounds)
                line(f"{self.shape} t{ours.threads} {tokens} tokens {name}", best, [("3 heads", "1 heads")])


def line(title: str, best: dict[str, float], ratios: list[tuple[str, str]]) -> None:
    """Prints times, and the ratio of the first of each pair to the second."""
    cells = "  ".join(f"{name} {value:8.2f}" for name, value in best.items())
    shares = "  ".join(f"{name}/{base} {best[name] / best[base]:.2f}" for name, base in ratios)
    print(f"{title}  {cells}  |  {shares}", flush=True)


def numbers(text: str) -> list[int]:
    """A list with commas."""
    return [int(word) for word in text.split(",")]


def words(text: str) -> list[str]:
    """A list with commas."""
    return [word for word in text.split(",") if word]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--shape", type=words, default=list(SHAPES))
    parser.add_argument("--tokens", type=numbers, default=[16, 64, 256, 512])
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=words, default=list(PEERS), help="of ort, torch, candle")
    parser.add_argument("--only", choices=("peers", "packed", "heads"), help="one of the parts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for shape in options.shape:
            bench = Bench(options, shape, Path(folder))
            for threads in options.threads:
                ours = Worker(options.binary, "worker", shape, threads)
                if options.only in (None, "peers"):
                    candle = Worker(options.binary, "candle", shape, threads) if "candle" in options.peers else None
                    for tokens in options.tokens:
                        bench.compare(ours, candle, tokens)
                    if candle:
                        candle.close()
                if options.only in (None, "packed"):
                    bench.packed(ours)
                if options.only in (None, "heads"):
                    bench.heads(ours)
                ours.close()


if __name__ == "__main__":
    main()
