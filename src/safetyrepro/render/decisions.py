"""Decisions on claims as text, JSON, GitHub annotations, JUnit XML and a badge; foreign text is inert in each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree import ElementTree as ET

from safetyrepro.render.text import inert
from safetyrepro.verdicts import ClaimChange, ClaimResult, ClaimWitness, Decision

MAX_SHOWN = 3
"""Configurations that are printed of a longer list."""
MAX_SENTENCE = 400
SMALLEST = 0.0001
"""Below it, a difference is printed with its power of ten, since +0.0000 reads as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What one call of the gate found."""

    results: Sequence[ClaimResult]
    """One for each claim, in order."""
    changes: Sequence[ClaimChange]
    """One for each claim; empty without a baseline."""
    source: str
    """Name of the card or store that the claims were held against."""
    exit_code: int
    """Code with which the gate ends."""

    def change(self, index: int) -> ClaimChange | None:
        """How the decision on a claim differs from the baseline."""
        return self.changes[index] if self.changes else None


def decisions_text(decided: Decided) -> str:
    """Every decision with what decided it, for a terminal."""
    lines = []
    for i, result in enumerate(decided.results):
        lines.append(f"{result.decision.value:<12} {_head(result)}")
        lines += [f"{'':<12} {line}" for line in decision_lines(result, decided.change(i))]
    words = [result.decision for result in decided.results]
    counts = ", ".join(f"{words.count(word)} {word.value}" for word in Decision if word in words)
    return "\n".join([*lines, f"{counts}; exit code {decided.exit_code}"])


def _head(result: ClaimResult) -> str:
    said = inert(result.claim.sentence, MAX_SENTENCE)
    canonical = inert(result.claim.canonical, MAX_SENTENCE)
    exact = "" if said == canonical else f"  [{canonical}]"
    return f"{said}{exact}  ({inert(result.estimand)}, {result.claim.evidence.value})"


def decision_lines(result: ClaimResult, change: ClaimChange | None = None) -> list[str]:
    """What decided a claim, what is missing and what to do next, line by line, with foreign text made inert.

    Parameters
    ----------
    result : ClaimResult
        The decision.
    change : ClaimChange, optional
        How it differs from a baseline.
    """
    lines = [inert(f"{result.because}: {result.reason}" if result.because else result.reason, MAX_SENTENCE)]
    lines += _listed("witness", result.witness)
    if result.flips:
        lines.append(f"flip set: {', '.join(inert(name) for name in result.flips)}")
    lines += _listed("lacks a score", result.missing)
    if result.minimum_detectable_difference is not None:
        lines.append(f"minimum detectable difference {result.minimum_detectable_difference:.3g}")
    if result.remedy:
        lines.append(inert(result.remedy, MAX_SENTENCE))
    if change is not None:
        lines += [f"baseline: {inert(change.reason, MAX_SENTENCE)}", *_listed("turned", change.turned)]
    return lines


def _listed(word: str, entries: Sequence[ClaimWitness]) -> list[str]:
    """The first of some configurations, what all of these share told once."""
    shown = entries[:MAX_SHOWN]
    shared = set.intersection(*(set(entry.settings.items()) for entry in shown)) if len(shown) > 1 else set[tuple[str, str]]()
    lines = [f"{word}: {_configuration(entry, shared)}" for entry in shown]
    lines += [f"{word}: and {len(entries) - MAX_SHOWN} more"] if len(entries) > MAX_SHOWN else []
    return [*lines, f"the same in each that is named: {_settings(shared)}"] if shared else lines


def _settings(settings: Iterable[tuple[str, str]]) -> str:
    # By name, since a card that was read again holds them so: the same claim reads the same from a store and from its card.
    return ", ".join(f"{inert(name)}={inert(level)}" for name, level in sorted(settings)) or "(no factor)"


def _configuration(entry: ClaimWitness, shared: set[tuple[str, str]]) -> str:
    own = set(entry.settings.items()) - shared
    settings = "(no further factor)" if shared and not own else _settings(own)
    if entry.score_a is None or entry.score_b is None:
        return f"{settings} ({entry.digest})"
    a, b = entry.score_a + 0.0, entry.score_b + 0.0  # A zero turned round is written as zero.
    difference = a - b
    told = f"{difference:+.4f}" if not difference or abs(difference) >= SMALLEST else f"{difference:+.1e}"
    return f"{settings} ({entry.digest}): {a:.4f} against {b:.4f}, difference {told}"


def decisions_json(decided: Decided) -> str:
    """Every decision as one JSON document."""
    from pydantic import TypeAdapter

    results = TypeAdapter(list[ClaimResult]).dump_python(list(decided.results), mode="json")
    changes = TypeAdapter(list[ClaimChange]).dump_python(list(decided.changes), mode="json")
    for result, entry in zip(decided.results, results, strict=True):
        entry["claim"]["sentence"] = result.claim.canonical
        entry["because"] = result.because
    for change, entry in zip(changes, results, strict=False):
        entry["change"] = change
    document = {"version": 1, "source": decided.source, "exit_code": decided.exit_code, "results": results}
    return json.dumps(document, indent=1, ensure_ascii=True)


ANNOTATIONS: Mapping[Decision, str] = MappingProxyType(
    {Decision.HOLDS: "notice", Decision.REFUTED: "error", Decision.UNDETERMINED: "warning"}
)
"""Kind of annotation for each decision."""


def decisions_github(decided: Decided) -> str:
    """One workflow command for each claim, which GitHub shows as an annotation."""
    lines = []
    for i, result in enumerate(decided.results):
        title = f"{result.decision.value}: {inert(result.claim.sentence, 150)}"
        message = "\n".join(decision_lines(result, decided.change(i)))
        lines.append(f"::{ANNOTATIONS[result.decision]} title={_property(title)}::{_data(message)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def decisions_junit(decided: Decided) -> str:
    """A JUnit report: a refuted claim is a failure, an undetermined one an error."""
    words = [result.decision for result in decided.results]
    suite = ET.Element(
        "testsuite",
        name="safetyrepro gate",
        tests=str(len(words)),
        failures=str(words.count(Decision.REFUTED)),
        errors=str(words.count(Decision.UNDETERMINED)),
    )
    for i, result in enumerate(decided.results):
        case = ET.SubElement(
            suite, "testcase", classname=inert(result.claim.benchmark), name=inert(result.claim.sentence, MAX_SENTENCE)
        )
        details = decision_lines(result, decided.change(i))
        if result.decision is not Decision.HOLDS:
            kind = "failure" if result.decision is Decision.REFUTED else "error"
            ET.SubElement(case, kind, message=details[0], type=result.decision.value).text = "\n".join(details)
        else:
            ET.SubElement(case, "system-out").text = "\n".join(details)
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode")


FORMATS: Mapping[str, Callable[[Decided], str]] = MappingProxyType(
    {"text": decisions_text, "json": decisions_json, "github": decisions_github, "junit": decisions_junit}
)
"""Name of a format -> what writes it."""
COLOURS: Mapping[int, str] = MappingProxyType({0: "#2e7d32", 1: "#b3261e", 3: "#6b6b6b"})


def decisions_badge(decided: Decided) -> str:
    """An SVG badge with fixed words and counts."""
    words = [result.decision for result in decided.results]
    names = {Decision.HOLDS: "hold", Decision.REFUTED: "refuted", Decision.UNDETERMINED: "undetermined"}
    told = ", ".join(f"{words.count(word)} {name}" for word, name in names.items() if word in words)
    left, right = 54, 7 * len(told) + 12
    total = left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" role="img" aria-label="claims: {told}">'
        f"<title>claims: {told}</title>"
        f'<rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{COLOURS[decided.exit_code]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="8" y="14">claims</text><text x="{left + 6}" y="14">{told}</text></g></svg>\n'
    )
