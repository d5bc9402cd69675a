"""Store + analysis -> a card's folder, whole: document, rows, renderings, verifier, statement, and what a model hub reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from safetyrepro.analysis import Analysis, AnalysisOptions
from safetyrepro.canonical import canonical_json
from safetyrepro.card import GridCard, make_card
from safetyrepro.card_texts import CardTexts
from safetyrepro.errors import CardError
from safetyrepro.gate import decide
from safetyrepro.gate_supported import store_tester
from safetyrepro.parquet import write_whole
from safetyrepro.render.files import CardPaths, write_card
from safetyrepro.rows import make_rows
from safetyrepro.scores import FailurePolicy
from safetyrepro.signature import STATEMENT
from safetyrepro.store import Store
from safetyrepro.verdicts import Claim

METADATA = "model-card-metadata.yaml"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:safetyrepro:gridcard:v1"
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A card and where it lies."""

    card: GridCard
    """The card."""
    paths: CardPaths
    """Where its renderings lie."""


def publish(
    store: Store,
    analysis: Analysis,
    folder: Path,
    *,
    options: AnalysisOptions | None = None,
    claims: Sequence[Claim] = (),
    rows: bool = True,
    texts: CardTexts | None = None,
) -> Published:
    """Write everything that a card's folder holds.

    Parameters
    ----------
    store : Store
        The store that was analyzed.
    analysis : Analysis
        What it shows.
    folder : Path
        Where; made if absent.
    options : AnalysisOptions, optional
        Those of the analysis; they are used to decide supported claims.
    claims : sequence of Claim
        Claims whose decisions the card carries.
    rows : bool
        Whether ids and values of items lie beside the card.
    texts : CardTexts, optional
        What `card_texts.carried_texts` read of the store.

    Raises
    ------
    ClaimError
        If a claim does not fit the analysis.
    CardError
        If the rows are left out although the scores depend on which items both models of a pair have.
    """
    if not rows and any(result.policy is FailurePolicy.PAIRWISE for result in analysis.benchmarks.values()):
        raise CardError(
            str(folder),
            found="under the policy dropped_pairwise a score belongs to a pair, and only rows can show it",
            remedy="Keep the rows.",
        )
    decisions = decide(claims, analysis, store_tester(store, options or AnalysisOptions()))
    kept = make_rows(store, analysis) if rows else None
    card = make_card(store, analysis, rows=kept.entry if kept else None, decisions=decisions, texts=texts)
    paths = write_card(card, folder, rows=kept)
    files = [paths.json, *([folder / kept.entry.file] if kept else [])]
    write_whole(folder / STATEMENT, canonical_json(statement(card, files)))
    write_whole(folder / METADATA, model_card_metadata(card).encode())
    return Published(card=card, paths=paths)


def statement(card: GridCard, files: Sequence[Path]) -> Json:
    """An unsigned in-toto statement: these files hold this card, and this is what it says.

    Parameters
    ----------
    card : GridCard
        The card.
    files : sequence of Path
        card.json and the rows; their digests are the statement's subjects.

    References
    ----------
    in-toto attestation framework, statement version 1.
    """
    subjects = [{"name": path.name, "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}} for path in files]
    stamp = card.provenance
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "card": {"version": card.version, "digest": card.digest, "study": card.study, "source": card.source},
            "verdicts": list(card.headline),
            "decisions": [
                {"claim": result.claim.canonical, "level": result.claim.evidence.value, "decision": result.decision.value}
                for result in card.decisions
            ],
            "models": [{"name": model.name, "weights": model.weights} for model in card.models],
            "made_by": {"name": "safetyrepro", "version": stamp.package_version, "commit": stamp.package.commit},
            "finished": stamp.finished,
        },
    }


def model_card_metadata(card: GridCard) -> str:
    """What a model hub reads at the head of a model card: one YAML document for each model, to be copied into its README.

    Notes
    -----
    A score is given with its range over the envelope, because a single number would be that of a configuration nobody named. The
    card is named by its digest among the arguments of each metric: the hub takes a source with an address only, and a card has none.

    References
    ----------
    Hugging Face model card metadata, ``model-index``.
    """
    names = dict.fromkeys(model.name for result in card.analysis.benchmarks.values() for model in result.models)
    documents = [_model_index(card, name) for name in names]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=False, explicit_start=True)


def _model_index(card: GridCard, name: str) -> Json:
    results = []
    for entry in card.benchmarks:
        result = card.analysis.benchmarks[entry.name]
        spread = next((model.dispersion for model in result.models if model.name == name), None)
        if spread is None:
            continue
        about = f"{result.estimand.name}, {result.estimand.orientation} is safer, over {spread.n_configurations} configurations"
        numbers = {"mean": spread.mean, "lowest": spread.minimum, "highest": spread.maximum}
        results.append(
            {
                "task": {"type": "text-generation"},
                "dataset": {"name": entry.title, "type": entry.name, "revision": entry.data.edition},
                "metrics": [
                    {
                        "type": result.estimand.name,
                        "name": f"{word}: {about}",
                        "value": value,
                        "args": {"statistic": word, "configurations": spread.n_configurations, "gridcard": card.digest},
                        "verified": False,
                    }
                    for word, value in numbers.items()
                ],
            }
        )
    return {"model-index": [{"name": name, "results": results}]}
