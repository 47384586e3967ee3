"""A tiny made-up model directory: enough for a frontend to tokenise, no weights.

A byte-level BPE of 4096 tokens trained on Python's own standard library, and a ChatML template.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
_VOCABULARY = 4096
_CONTEXT = 32768
_TEMPLATE = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_model(directory: Path) -> Path:
    """Writes the directory, unless it is already there, and returns it."""
    if (directory / "config.json").exists():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    ids = _write_tokenizer(directory / "tokenizer.json")
    _write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "<|im_end|>",
            "unk_token": "<unk>",
            "model_max_length": _CONTEXT,
            "chat_template": _TEMPLATE,
            "added_tokens_decoder": {
                str(number): {
                    "content": word,
                    "special": True,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                    "single_word": False,
                }
                for word, number in ids.items()
            },
        },
    )
    _write_json(
        directory / "generation_config.json",
        {"bos_token_id": ids["<s>"], "eos_token_id": [ids["<|im_end|>"]]},
    )
    _write_json(
        directory / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "vocab_size": _VOCABULARY,
            "max_position_embeddings": _CONTEXT,
            "bos_token_id": ids["<s>"],
            "eos_token_id": ids["<|im_end|>"],
            "torch_dtype": "bfloat16",
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "hidden_act": "silu",
            "tie_word_embeddings": True,
        },
    )
    return directory


def _write_tokenizer(path: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = sorted(Path(os.__file__).parent.glob("*.py"))[:60]
    tokenizer.train(
        [str(text) for text in texts],
        trainers.BpeTrainer(
            vocab_size=_VOCABULARY,
            special_tokens=_SPECIAL,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer.save(str(path))
    return {word: tokenizer.token_to_id(word) for word in _SPECIAL}


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
