"""What each cell of a card must state: every required field, with its value or the word that it is not recorded."""

from __future__ import annotations

from safetyrepro.card import BenchmarkCard, CellCard, GridCard
from safetyrepro.manifest import NOT_RECORDED, ModelEntry
from safetyrepro.verdicts import Settings

CARD_FIELDS = (
    "model",
    "model weights digest",
    "tokenizer digest",
    "chat template digest",
    "harness and version",
    "data revision",
    "data digest",
    "subset rule",
    "subset seed",
    "template digest",
    "few-shot example ids",
    "decoding",
    "scoring rule",
    "quantization",
    "dtype",
    "prefix token",
    "delimiter",
    "token-id digest",
    "commit",
    "hardware",
)
"""What a cell of a card must state, or say that it is not recorded."""


def cell_fields(card: GridCard, benchmark: BenchmarkCard, cell: CellCard) -> dict[str, str]:
    """Every required field of one cell, each with its value or ``not recorded``.

    Returns
    -------
    dict of str to str
        Keys are `CARD_FIELDS`, in order.
    """
    settings = benchmark.configurations[benchmark.digests.index(cell.configuration)]
    model = _loaded(card, cell.model, settings)
    stamp, data = card.provenance, benchmark.data
    dirty = {True: " (dirty)", False: "", None: ""}[stamp.study.dirty]
    decoding = settings.get("decoding", NOT_RECORDED)
    ran_here = card.source == "run"
    values = (
        cell.model,
        model.weights,
        model.tokenizer,
        model.chat_template,
        f"safetyrepro {stamp.package_version}" if ran_here else settings.get("harness", NOT_RECORDED),
        data.edition,
        ", ".join(digest[:16] for _, digest in sorted(data.files.items())) or NOT_RECORDED,
        data.subset_rule,
        NOT_RECORDED if data.subset_seed is None else str(data.subset_seed),
        cell.prompts_digest,
        ", ".join(data.example_ids[: _shots(settings)]) or ("none" if ran_here else NOT_RECORDED),
        decoding if decoding != NOT_RECORDED or not ran_here else "log-likelihoods, nothing is decoded",
        settings.get("scoring", NOT_RECORDED),
        settings.get("quantization", model.quantization),
        settings.get("dtype", model.dtype),
        settings.get("prefix", NOT_RECORDED),
        settings.get("delimiter", NOT_RECORDED),
        cell.tokens_digest,
        f"{stamp.study.commit}{dirty}",
        f"{stamp.processor}; accelerator {stamp.accelerator}" if ran_here else NOT_RECORDED,
    )
    return dict(zip(CARD_FIELDS, values, strict=True))


def _loaded(card: GridCard, name: str, settings: Settings) -> ModelEntry:
    for entry in card.models:
        if entry.name == name and all(settings.get(factor, level) == level for factor, level in entry.load.items()):
            return entry
    return ModelEntry(name=name)


def _shots(settings: Settings) -> int:
    shots = settings.get("shots", "0")
    return int(shots) if shots.isdecimal() else 0
