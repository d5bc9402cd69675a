"""`safetyrepro gate`: claims held against a card or a store, with an exit code for a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from safetyrepro.verdicts import Claim


def gate(
    source: Annotated[Path, typer.Argument(help="A card.json, a card's folder, or a store.")],
    claims: Annotated[Path | None, typer.Argument(help="A claims.yaml. Default: the one that lies here.")] = None,
    *,
    claim: Annotated[
        list[str] | None, typer.Option("--claim", help="A sentence such as 'A > B on bbq everywhere'. Repeatable.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option("--level", help="realized or supported, for every claim. Default: what the file says; realized."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", min=0.0001, max=0.5, help="Error rate of the supported level, for every claim.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="text, json, github or junit.")] = "text",
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Another card or store: say what changed, and which factors turn it.")
    ] = None,
    badge: Annotated[Path | None, typer.Option("--badge", help="Write an SVG badge here.")] = None,
) -> None:
    """Hold claims against results: HOLDS, REFUTED with its witness, or UNDETERMINED with what is missing.

    Exit code 0: every claim holds. 1: one is refuted. 3: one is undetermined. 2: wrong usage or unreadable input.

    A claim is a sentence: A > B [- MARGIN] on BENCHMARK[:ESTIMAND], then everywhere, in the core tier, for the majority,
    somewhere, on average, in the worst case or whatever the configurations, then [where FACTOR=LEVEL[,LEVEL]].
    """
    from safetyrepro.gate import decide, exit_code
    from safetyrepro.gate_baseline import compare
    from safetyrepro.opened import open_results
    from safetyrepro.options import parse_choice
    from safetyrepro.render.decisions import FORMATS, Decided, decisions_badge
    from safetyrepro.verdicts import EvidenceLevel

    evidence = parse_choice(level, EvidenceLevel, "--level") if level else None
    wanted = _claims(claims, claim or [], evidence, alpha)
    write = FORMATS[_format(form)]
    held = open_results(source)
    results = decide(wanted, held.analysis, held.tester, run_again=held.run_again)
    before = open_results(baseline) if baseline else None
    changes = compare(results, held.analysis, before.analysis, before.tester) if before else ()
    decided = Decided(results=results, changes=changes, source=str(source), exit_code=exit_code(results))
    typer.echo(write(decided))
    if badge:
        _write(badge, decisions_badge(decided))
    raise typer.Exit(decided.exit_code)


def _write(badge: Path, text: str) -> None:
    from safetyrepro.errors import ClaimError

    try:
        badge.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ClaimError(
            f"--badge {badge}", found=f"cannot be written ({error.strerror})", remedy="Name a file in a folder that exists."
        ) from error


def _claims(file: Path | None, sentences: list[str], evidence: object, alpha: float | None) -> list[Claim]:
    from safetyrepro.claims import parse_claim, read_claims, with_evidence
    from safetyrepro.errors import ClaimError
    from safetyrepro.verdicts import EvidenceLevel

    assert evidence is None or isinstance(evidence, EvidenceLevel)
    if file is None and not sentences:
        file = Path("claims.yaml")
        if not file.is_file():
            raise ClaimError(
                "gate", found="no claim is given", expected="a file claims.yaml here, or --claim SENTENCE", remedy="Add one."
            )
    found = [*(read_claims(file) if file else ()), *(parse_claim(sentence, where="--claim") for sentence in sentences)]
    return [with_evidence(claim, evidence, alpha) for claim in found]


def _format(name: str) -> str:
    from safetyrepro.errors import ClaimError
    from safetyrepro.render.decisions import FORMATS

    if name not in FORMATS:
        raise ClaimError(f"--format {name}", found="is no format", expected=f"one of {', '.join(FORMATS)}")
    return name
