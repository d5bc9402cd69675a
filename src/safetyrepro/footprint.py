"""Configuration of a model -> the memory that a run takes at most, by arithmetic: nothing is loaded, measured or fetched.

Written for decoders of the Llama family (Llama, Mistral, Qwen2, Qwen3, Yi): linear layers of attention and of a gated feed-forward block.
Of any other architecture nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DTYPE_BYTES: Mapping[str, int] = MappingProxyType({"float32": 4, "bfloat16": 2, "float16": 2})
"""Bytes of one number in each format."""
GATED = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Values of ``model_type`` whose linear layers are counted here."""
BIASED = frozenset({"qwen2"})
"""Those whose queries, keys and values have a bias, whatever the configuration states."""
NORMED_HEADS = frozenset({"qwen3"})
"""Those that normalize queries and keys of each head."""

NF4_BLOCK, NF4_OUTER = 64, 256
"""Weights that share a constant of one byte, and such constants that share one of four bytes (double quantization)."""
NF4_LAYER = 16 * 4 + 256 * 4 + 4
"""Bytes that every quantized layer keeps beside its weights: two code books and an offset."""

LOGITS = 1 << 26
"""Largest number of logits that the engine computes at once."""
LOGIT_COPIES = 3
"""Logits in the model's format and in float32, and what the logarithm of their sum takes."""
ROOM = 4
"""Times the tokens of the longest pass that answers under way may hold, with their prompts."""
COPIES_SCORED, COPIES_DRAWN = 3, 2
"""Keys and values at one time: before a pass, behind it, and as they are kept; answers are kept once the former are gone."""
HIDDEN_COPIES, FORWARD_COPIES = 6, 3
"""Vectors of a token in a layer at one time: of the model's width, and of the feed-forward block's."""
CONTEXT = 600_000_000
"""What a graphics card's context and libraries take: customary, not measured here."""

PUBLISHED: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "Qwen/Qwen2.5-7B-Instruct": {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
        },
        "mistralai/Mistral-7B-Instruct-v0.3": {
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32768,
        },
        "01-ai/Yi-1.5-9B-Chat": {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 48,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
            "vocab_size": 64000,
        },
    }
)
"""Repository -> what its config.json says of its shape, for the models of the shipped studies; where a file is at hand, it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large the parts of a decoder are."""

    layers: int
    """Layers."""
    width: int
    """Numbers that represent a token between layers."""
    forward_width: int
    """Width of the feed-forward block."""
    query_width: int
    """Width of all queries together."""
    key_width: int
    """Width of all keys together, which is that of the values."""
    vocabulary: int
    """Rows of the embedding."""
    tied: bool
    """Whether the head is the embedding."""
    biases: int
    """Numbers of biases and norms in one layer."""

    @property
    def linear(self) -> int:
        """Weights of one layer's linear maps: what is quantized."""
        attention = 2 * self.width * (self.query_width + self.key_width)
        return attention + 3 * self.width * self.forward_width

    @property
    def tables(self) -> int:
        """Weights of embedding and head, which are never quantized."""
        return self.vocabulary * self.width * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.layers * (self.linear + self.biases) + self.tables + self.width


def shape_of(configuration: Mapping[str, object] | None) -> Shape | None:
    """The shape that a config.json states; None where it is absent, of another family, or does not state it.

    Parameters
    ----------
    configuration : mapping or None
        As the file has it.
    """
    if configuration is None or configuration.get("model_type") not in GATED:
        return None
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    stated = [configuration.get(name) for name in names]
    numbers = [number for number in stated if isinstance(number, int) and number > 0]
    if len(numbers) < len(stated):
        return None
    layers, width, forward_width, heads, vocabulary = numbers
    key_heads, head = configuration.get("num_key_value_heads"), configuration.get("head_dim")
    head_width = head if isinstance(head, int) else width // heads
    query_width = heads * head_width
    key_width = (key_heads if isinstance(key_heads, int) else heads) * head_width
    kind = configuration["model_type"]
    biased = kind in BIASED or bool(configuration.get("attention_bias"))
    norms = 2 * width + (2 * head_width if kind in NORMED_HEADS else 0)
    return Shape(
        layers=layers,
        width=width,
        forward_width=forward_width,
        query_width=query_width,
        key_width=key_width,
        vocabulary=vocabulary,
        tied=bool(configuration.get("tie_word_embeddings", False)),
        biases=norms + (query_width + 2 * key_width if biased else 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes that a run of one loading takes at most, part by part."""

    weights: int
    """Weights in memory."""
    keys_and_values: int
    """What is remembered of tokens, in the copies that exist at one time."""
    pass_values: int
    """What one forward pass computes in one layer, its mask, and a quantized layer's weights while they are used."""
    logits: int
    """What is computed of the vocabulary at once."""
    context: int
    """What a graphics card holds before any of this; 0 on a processor."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.keys_and_values + self.pass_values + self.logits + self.context


def weight_bytes(shape: Shape, *, dtype: str, quantization: str) -> int:
    """Bytes of a model's weights.

    Parameters
    ----------
    shape : Shape
        Its shape.
    dtype : str
        A key of `DTYPE_BYTES`.
    quantization : str
        ``none``, ``nf4`` or ``int8``: how linear layers are stored; embedding, head, norms and biases keep the dtype.

    Notes
    -----
    NF4 with double quantization: 4 bits a weight, one byte for each 64 weights, four bytes for each 256 of those bytes; that is
    4 + 8/64 + 32/(64 * 256) = 4.127 bits a weight. int8: one byte a weight and four for each row.

    References
    ----------
    Dettmers, Pagnoni, Holtzman and Zettlemoyer 2023, QLoRA, section 3 (0.127 bits a weight for the constants).
    """
    size = DTYPE_BYTES[dtype]
    kept = (shape.tables + shape.width + shape.layers * shape.biases) * size
    if quantization == "none":
        return kept + shape.layers * shape.linear * size
    if quantization == "int8":
        rows = shape.query_width + 2 * (shape.key_width + shape.width + shape.forward_width)
        return kept + shape.layers * (shape.linear + 4 * rows)
    blocks = -(-shape.linear // NF4_BLOCK)
    layer = shape.linear // 2 + blocks + 4 * -(-blocks // NF4_OUTER) + 7 * NF4_LAYER
    return kept + shape.layers * layer


def token_bytes(shape: Shape, *, dtype: str) -> int:
    """Bytes of the keys and values of one token."""
    return 2 * shape.layers * shape.key_width * DTYPE_BYTES[dtype]


def footprint(
    shape: Shape, *, dtype: str, quantization: str, longest: int, batch_tokens: int, on_card: bool = True
) -> Footprint:
    """The memory that a run takes at most.

    Parameters
    ----------
    shape : Shape
        The model's shape.
    dtype, quantization : str
        As in `weight_bytes`.
    longest : int
        Tokens of the longest request with its answer.
    batch_tokens : int
        Largest number of tokens in one pass (``engine.batch_tokens`` of the study).
    on_card : bool
        Whether it runs on a graphics card.

    Notes
    -----
    With n tokens in a pass: scoring remembers `longest` + n tokens in three copies; drawing remembers the larger of 4 n and
    `longest` + n in two. A pass holds six vectors of the model's width and three of the feed-forward width for each of n tokens, keys
    and values of all columns widened to the queries, a mask of n rows over all columns, and one dequantized layer. A fused attention
    kernel is assumed, which keeps no matrix of attention scores. Where memory runs short the engine halves what it holds, so that a
    smaller card does the same work in more passes; what it cannot halve is the weights and one request.
    """
    size = DTYPE_BYTES[dtype]
    columns = max(ROOM * batch_tokens, longest + batch_tokens)
    remembered = max(COPIES_DRAWN * columns, COPIES_SCORED * (longest + batch_tokens))
    vectors = HIDDEN_COPIES * shape.width + FORWARD_COPIES * shape.forward_width
    mask = batch_tokens * columns * (size + 1)
    widened = 2 * columns * shape.query_width * size
    largest = 0 if quantization == "none" else shape.width * shape.forward_width * size
    return Footprint(
        weights=weight_bytes(shape, dtype=dtype, quantization=quantization),
        keys_and_values=remembered * token_bytes(shape, dtype=dtype),
        pass_values=batch_tokens * vectors * size + mask + widened + largest,
        logits=min(LOGITS, batch_tokens * shape.vocabulary) * 4 * LOGIT_COPIES,
        context=CONTEXT if on_card else 0,
    )
