"""Tiny random checkpoints that the tests make themselves: seven architectures, a trained tokenizer, three chat templates."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "a",
    "lake",
    "tower",
    "old",
    "young",
    "man",
    "woman",
    "asks",
    "who",
    "where",
    "why",
    "is",
    "was",
    "not",
    "did",
    "can",
    "answer",
    "question",
    "right",
    "wrong",
    "maybe",
    "never",
    "always",
    "river",
    "stone",
    "bread",
    "market",
    "doctor",
    "pilot",
    "nurse",
    "teacher",
    "Velm",
    "Orrin",
    "Tasku",
    "Brona",
    "which",
    "more",
    "less",
    "than",
    "about",
    "with",
    "without",
    "before",
    "after",
    "under",
    "over",
    "into",
    "out",
    "of",
    "and",
    "or",
    "but",
    "if",
    "then",
    "because",
    "so",
    "that",
    "this",
    "these",
    "those",
    "he",
    "she",
    "they",
    "it",
]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turn') }}"
    "{% elif m['role'] == 'user' %}[INST] {{ m['content'] }}[/INST]{% else %} {{ m['content'] }}</s>{% endif %}{% endfor %}"
)
SIZE = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}


def sentences(count: int, *, seed: int = 0, words: int = 12) -> list[str]:
    """Made-up sentences."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, words))) + draw.choice(".?!") for _ in range(count)]


def write_tokenizer(folder: Path, *, bos: bool, template: str | None, seed: int = 0, eos_right: bool = False) -> None:
    """Train a byte-level BPE tokenizer and save it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        sentences(400, seed=seed),
        trainers.BpeTrainer(vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    end = "</s>" if bos else "<|im_end|>"
    if bos:
        single = "<s> $A </s>" if eos_right else "<s> $A"
        core.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>" if bos else None, eos_token=end)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)


def configuration(kind: str, **changes: Any) -> Any:  # Any: transformers is not typed
    """The configuration of a tiny model of an architecture."""
    import transformers as t

    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    small = {**SIZE, **ends, **changes}
    gpt2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "vocab_size": 512, "initializer_range": 0.2}
    makers = {
        "qwen2": lambda: t.Qwen2Config(**small),
        "llama": lambda: t.LlamaConfig(**small),
        "mistral": lambda: t.MistralConfig(**{"sliding_window": None, **small}),
        "mistral-window": lambda: t.MistralConfig(**{"sliding_window": 16, **small}),
        "gpt2": lambda: t.GPT2Config(**{**gpt2, "bos_token_id": 0, "eos_token_id": 0, **changes}),
        "gpt-neox": lambda: t.GPTNeoXConfig(**{key: value for key, value in small.items() if key != "num_key_value_heads"}),
        "gemma2": lambda: t.Gemma2Config(
            **{**small, "head_dim": 8, "sliding_window": 16, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 10.0}
        ),
        "phi3": lambda: t.Phi3Config(**small),
        "bloom": lambda: t.BloomConfig(vocab_size=512, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2, **ends),
        "mamba": lambda: t.MambaConfig(
            vocab_size=512, hidden_size=32, num_hidden_layers=2, state_size=8, initializer_range=0.2, **ends
        ),
    }
    return makers[kind]()


def make_checkpoint(
    folder: Path, kind: str, *, bos: bool = False, template: str | None = CHATML, seed: int = 0, **changes: Any
) -> Path:  # Any: any field of a transformers configuration
    """Write a tiny random checkpoint of an architecture, and return its folder."""
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configuration(kind, **changes))
    torch.random.set_rng_state(state)
    model.generation_config.eos_token_id = 2 if bos else 4
    model.generation_config.bos_token_id = 1 if bos else None
    model.save_pretrained(folder)
    write_tokenizer(folder, bos=bos, template=template)
    return folder


def change_one_weight(folder: Path) -> None:
    """Add 0.5 to the first value of the first matrix of a checkpoint."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    name = min(name for name, tensor in tensors.items() if tensor.ndim == 2)
    tensors[name][0, 0] += 0.5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
