"""Encoders of transformers with given weights."""

import numpy as np
import torch
from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel

from onnx_graph import SHAPES


def model(weights: dict[str, np.ndarray], shape: str) -> torch.nn.Module:
    """The stock model with these weights, ready to run."""
    hidden, heads, layers = SHAPES[shape]
    common = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "attn_implementation": "sdpa",
        "pad_token_id": 0,
    }
    state = {name.removeprefix("model."): torch.from_numpy(value) for name, value in weights.items()}
    modern = shape.startswith("modernbert")
    words = state["embeddings.tok_embeddings.weight" if modern else "embeddings.word_embeddings.weight"]
    common["vocab_size"] = len(words)
    if modern:
        inner = state["layers.0.mlp.Wo.weight"].shape[1]
        config = ModernBertConfig(intermediate_size=inner, local_attention=128, **common)
        made: torch.nn.Module = ModernBertModel(config)
    else:
        positions = len(state["embeddings.position_embeddings.weight"])
        inner = len(state["encoder.layer.0.intermediate.dense.weight"])
        config = BertConfig(
            intermediate_size=inner, max_position_embeddings=positions, layer_norm_eps=1e-5, **common
        )
        made = BertModel(config, add_pooling_layer=False)
    made.load_state_dict(state, strict=True)
    return made.eval()
