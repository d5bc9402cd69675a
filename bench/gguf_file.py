"""A checkpoint of Qwen2's shape as a GGUF file in float32, for llama.cpp; run it where `gguf`, `numpy` and `safetensors` are installed.

python bench/gguf_file.py FOLDER OUT.gguf
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def tensor_name(name: str) -> str:
    """The name of a tensor of transformers in GGUF."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[module]}.{kind}"


def main() -> None:
    """Read the folder and write the file."""
    import gguf
    import numpy as np
    from safetensors.numpy import load_file

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    config = json.loads((options.folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((options.folder / "tokenizer.json").read_text(encoding="utf-8"))
    template = json.loads((options.folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    template_file = options.folder / "chat_template.jinja"
    special = {entry["id"] for entry in tokenizer["added_tokens"]}
    places = sorted(tokenizer["model"]["vocab"].items(), key=lambda entry: entry[1])
    writer = gguf.GGUFWriter(str(options.out), "qwen2")
    writer.add_name("made")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base((config.get("rope_parameters") or config)["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in places])
    writer.add_token_types([gguf.TokenType.CONTROL if place in special else gguf.TokenType.NORMAL for _, place in places])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template or template_file.read_text(encoding="utf-8"))
    for name, tensor in load_file(options.folder / "model.safetensors").items():
        writer.add_tensor(tensor_name(name), np.ascontiguousarray(tensor, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
