"""claims.yaml and the sentence of a claim: what somebody wants to publish, read into `Claim`s or refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from safetyrepro.errors import ClaimError
from safetyrepro.study import Document
from safetyrepro.verdicts import PHRASES, Claim, EvidenceLevel, Quantifier, Relation
from safetyrepro.yaml_text import read_yaml

MAX_CLAIMS_BYTES = 1_000_000
MAX_SENTENCE = 2_000
"""Characters of a sentence; a longer one is read by nobody, and would keep the grammar busy."""
EXAMPLE = "A >= B - 0.02 on bbq everywhere where template=cloze"
WORDS: Mapping[str, Quantifier] = MappingProxyType({phrase: quantifier for quantifier, phrase in PHRASES.items()})
"""What may stand behind the benchmark, and the quantifier it means."""
_NAME = r'(?:"[^"]+"|.+?)'
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_SENTENCE = re.compile(
    rf"^\s*(?P<a>{_NAME})\s*(?P<relation>>=|>)\s*(?P<b>{_NAME})(?:\s+(?P<sign>[-+])\s+(?P<margin>{_NUMBER}))?"
    rf"\s+on\s+(?P<benchmark>\"[^\"]+\"|[^\s:]+)(?::(?P<estimand>\S+))?"
    rf"(?:\s+(?P<quantifier>{'|'.join(WORDS)}))?(?:\s+where\s+(?P<where>.+?))?\s*$"
)


class ClaimSpec(Document):
    """One claim of claims.yaml."""

    claim: str
    """The sentence, such as ``A > B on bbq everywhere``."""
    say: str = ""
    """How its author words it for readers."""
    level: Literal["realized", "supported"] = "realized"
    """Whether it is about these scores or about items like these."""
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Error rate of the supported level; None takes the file's."""


class ClaimFile(Document):
    """claims.yaml."""

    version: Literal[1] = 1
    """Version of this document's schema."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Error rate of the supported level."""
    claims: list[ClaimSpec] = Field(min_length=1)
    """The claims; those of the supported level form the family over which p-values are adjusted."""


def parse_claim(sentence: str, *, where: str = "claim") -> Claim:
    """Read a sentence into a realized claim.

    Parameters
    ----------
    sentence : str
        ``A > B [- MARGIN] on BENCHMARK[:ESTIMAND] [QUANTIFIER] [where FACTOR=LEVEL[,LEVEL] [and ...]]``; the quantifiers are
        the keys of `WORDS`, ``everywhere`` where none is named. ``+ MARGIN`` asks for more than a lead. A name may stand in
        double quotes.
    where : str
        Place named in errors.

    Raises
    ------
    ClaimError
        If the sentence cannot be read.
    """
    found = _SENTENCE.match(_narrow(sentence)) if len(sentence) <= MAX_SENTENCE else None
    size = float(found["margin"] or 0.0) if found is not None else 0.0
    if found is None or math.isinf(size):
        raise ClaimError(
            where,
            found=f"'{sentence[:120]}' is not a claim",
            expected=f"a sentence such as '{EXAMPLE}', with one of: {'; '.join(WORDS)}",
            remedy="Write it so.",
        )
    return Claim(
        a=_unquoted(found["a"]),
        b=_unquoted(found["b"]),
        benchmark=_unquoted(found["benchmark"]),
        estimand=found["estimand"] or "",
        relation=Relation(found["relation"]),
        margin=-size if found["sign"] == "+" and size else size,
        quantifier=WORDS[found["quantifier"] or "everywhere"],
        where=_conditions(found["where"] or "", sentence, where),
        say=sentence.strip(),
    )


def _narrow(sentence: str) -> str:
    """The sentence with single blanks outside of quotes: in a long run of blanks the grammar would try every place."""
    return re.sub(r'("[^"]*")|\s+', lambda found: found[1] or " ", sentence.strip())


def _unquoted(name: str) -> str:
    return name[1:-1] if name.startswith('"') and name.endswith('"') and len(name) > 2 else name


def _conditions(text: str, sentence: str, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    conditions = []
    for part in re.split(r"\s+and\s+", text) if text else []:
        name, mark, levels = part.partition("=")
        if not mark or not name.strip() or not levels.strip():
            raise ClaimError(
                where,
                found=f"'{part}' in '{sentence[:80]}' is no condition",
                expected="FACTOR=LEVEL[,LEVEL]",
                remedy="Write it so.",
            )
        conditions.append((name.strip(), tuple(level.strip() for level in levels.split(","))))
    return tuple(conditions)


def read_claims(path: Path) -> tuple[Claim, ...]:
    """Read claims.yaml.

    Raises
    ------
    ClaimError
        If the file is absent, too large, not YAML, does not fit the schema, or holds a sentence that cannot be read.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_CLAIMS_BYTES + 1)
        if len(text) > MAX_CLAIMS_BYTES:
            raise ClaimError(str(path), found="is larger than 1 MB", expected="a list of claims")
        content = read_yaml(text.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimError(str(path), found=f"cannot be read ({error})", remedy="Name a claims.yaml, or use --claim.") from error
    except RecursionError as error:
        raise ClaimError(str(path), found="is nested too deeply", expected="a list of claims", remedy="Correct it.") from error
    except yaml.YAMLError as error:
        raise ClaimError(str(path), found=f"is not YAML: {' '.join(str(error).split())}", remedy="Correct it.") from error
    document = _document(content, path)
    return tuple(_claim(spec, document, f"{path}, claim {number}") for number, spec in enumerate(document.claims, start=1))


def _document(content: object, path: Path) -> ClaimFile:
    try:
        return ClaimFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ClaimError(
            str(path),
            found=f"field '{field}': {first['msg']}",
            remedy="`safetyrepro schema claims` prints what each field may hold.",
        ) from error


def _claim(spec: ClaimSpec, document: ClaimFile, where: str) -> Claim:
    read = parse_claim(spec.claim, where=where)
    return replace(
        read,
        evidence=EvidenceLevel(spec.level),
        alpha=spec.alpha if spec.alpha is not None else document.alpha,
        say=spec.say or read.say,
    )


def with_evidence(claim: Claim, evidence: EvidenceLevel | None, alpha: float | None) -> Claim:
    """The same claim at another level of evidence or with another alpha; None keeps what it has."""
    return replace(
        claim,
        evidence=claim.evidence if evidence is None else evidence,
        alpha=claim.alpha if alpha is None else alpha,
    )
