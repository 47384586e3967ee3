"""Encoders as ONNX graphs, built from weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPES = {"modernbert-base": (768, 12, 22), "minilm-l6": (384, 12, 6)}


class Graph:
    """An ONNX graph that grows node by node."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, name: str, x: str) -> str:
        out = self.add("MatMul", x, self.constant(f"{name}.t", self.weights[f"{name}.weight"].T))
        if f"{name}.bias" in self.weights:
            out = self.add("Add", out, self.constant(f"{name}.b", self.weights[f"{name}.bias"]))
        return out

    def norm(self, name: str, x: str) -> str:
        inputs = [x, self.constant(f"{name}.w", self.weights[f"{name}.weight"])]
        if f"{name}.bias" in self.weights:
            inputs.append(self.constant(f"{name}.b", self.weights[f"{name}.bias"]))
        return self.add("LayerNormalization", *inputs, epsilon=1e-5)

    def split_heads(self, x: str, heads: int, hidden: int) -> str:
        shape = self.constant("heads", np.array([0, 0, heads, hidden // heads], np.int64))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=[0, 2, 1, 3])

    def attention(self, q: str, k: str, v: str, hidden: int, heads: int, mask: str | None) -> str:
        scale = self.constant("scale", np.array((hidden // heads) ** -0.5, np.float32))
        scores = self.add("MatMul", self.add("Mul", q, scale), self.add("Transpose", k, perm=[0, 1, 3, 2]))
        if mask is not None:
            scores = self.add("Add", scores, mask)
        found = self.add("MatMul", self.add("Softmax", scores, axis=-1), v)
        flat = self.constant("flat", np.array([0, 0, hidden], np.int64))
        return self.add("Reshape", self.add("Transpose", found, perm=[0, 2, 1, 3]), flat)

    def turn(self, x: str, cos: str, sin: str) -> str:
        a, b = f"{x}_a", f"{x}_b"
        self.nodes.append(helper.make_node("Split", [x], [a, b], axis=-1, num_outputs=2))
        turned = self.add("Concat", self.add("Neg", b), a, axis=-1)
        return self.add("Add", self.add("Mul", x, cos), self.add("Mul", turned, sin))


def bert(graph: Graph, tokens: int | None, hidden: int, heads: int, layers: int) -> str:
    """BERT's trunk; without a number of tokens, a second input `places` counts them."""
    weights = graph.weights
    words = graph.constant("words", weights["embeddings.word_embeddings.weight"])
    rest = weights["embeddings.position_embeddings.weight"][:tokens]
    rest = graph.constant("rest", rest + weights["embeddings.token_type_embeddings.weight"][0])
    rest = rest if tokens else graph.add("Gather", rest, "places")
    x = graph.add("Add", graph.add("Gather", words, "ids"), rest)
    x = graph.norm("embeddings.LayerNorm", x)
    for index in range(layers):
        name = f"encoder.layer.{index}"
        parts = [
            graph.split_heads(graph.linear(f"{name}.attention.self.{part}", x), heads, hidden)
            for part in ("query", "key", "value")
        ]
        found = graph.attention(*parts, hidden, heads, None)
        found = graph.linear(f"{name}.attention.output.dense", found)
        x = graph.norm(f"{name}.attention.output.LayerNorm", graph.add("Add", x, found))
        inner = graph.add("Gelu", graph.linear(f"{name}.intermediate.dense", x))
        x = graph.add("Add", x, graph.linear(f"{name}.output.dense", inner))
        x = graph.norm(f"{name}.output.LayerNorm", x)
    return x


def rotary(graph: Graph, name: str, theta: float, tokens: int, width: int) -> tuple[str, str]:
    """Cosines and sines of the angles."""
    speeds = 1.0 / theta ** (np.arange(0, width, 2) / width)
    angles = np.outer(np.arange(tokens), speeds)
    angles = np.concatenate([angles, angles], axis=-1).astype(np.float32)
    return graph.constant(f"{name}.cos", np.cos(angles)), graph.constant(f"{name}.sin", np.sin(angles))


def modernbert(graph: Graph, tokens: int, hidden: int, heads: int, layers: int) -> str:
    """ModernBERT's trunk."""
    width = hidden // heads
    everywhere = rotary(graph, "global", 160_000.0, tokens, width)
    nearby = rotary(graph, "local", 10_000.0, tokens, width)
    places = np.arange(tokens)
    far = np.abs(places[:, None] - places[None, :]) > 64
    mask = graph.constant("window", np.where(far, -1e9, 0.0).astype(np.float32)) if far.any() else None
    words = graph.constant("words", graph.weights["model.embeddings.tok_embeddings.weight"])
    x = graph.norm("model.embeddings.norm", graph.add("Gather", words, "ids"))
    for index in range(layers):
        name = f"model.layers.{index}"
        before = graph.norm(f"{name}.attn_norm", x) if index else x
        qkv = graph.linear(f"{name}.attn.Wqkv", before)
        names = [f"{name}.{part}" for part in "qkv"]
        graph.nodes.append(helper.make_node("Split", [qkv], names, axis=-1, num_outputs=3))
        q, k, v = (graph.split_heads(part, heads, hidden) for part in names)
        local = index % 3 != 0
        angles = nearby if local else everywhere
        q, k = graph.turn(q, *angles), graph.turn(k, *angles)
        found = graph.attention(q, k, v, hidden, heads, mask if local else None)
        x = graph.add("Add", x, graph.linear(f"{name}.attn.Wo", found))
        inner = graph.linear(f"{name}.mlp.Wi", graph.norm(f"{name}.mlp_norm", x))
        gate, value = f"{name}.gate", f"{name}.value"
        graph.nodes.append(helper.make_node("Split", [inner], [gate, value], axis=-1, num_outputs=2))
        inner = graph.add("Mul", graph.add("Gelu", gate), value)
        x = graph.add("Add", x, graph.linear(f"{name}.mlp.Wo", inner))
    return graph.norm("model.final_norm", x)


def model(weights: dict[str, np.ndarray], shape: str, tokens: int | None) -> onnx.ModelProto:
    """The model for sequences of one length, or of any."""
    hidden, heads, layers = SHAPES[shape]
    graph = Graph(weights)
    trunk = modernbert if shape.startswith("modern") else bert
    output = trunk(graph, tokens, hidden, heads, layers)
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", tokens or "tokens"])]
    if not tokens:
        inputs.append(helper.make_tensor_value_info("places", TensorProto.INT64, ["tokens"]))
    out = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", tokens or "tokens", hidden])
    made = helper.make_graph(graph.nodes, "encoder", inputs, [out], list(graph.constants.values()))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
