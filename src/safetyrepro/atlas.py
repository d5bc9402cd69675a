"""Where practice stands: who ships which level of a benchmark, and where a published configuration lies in an envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.benchmarks.base import Benchmark
from safetyrepro.envelope import Evidence, Factor, Level, Source, Stage
from safetyrepro.errors import ClaimError, StudyError
from safetyrepro.scope import Scope
from safetyrepro.stats.base import TOLERANCE
from safetyrepro.verdicts import Claim, ConfigurationVerdict, Relation, Settings

EDITION = "edition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """A level of a factor and one place that ships it; a level has as many as there are places."""

    factor: str
    """Name of the factor; ``edition`` for the data."""
    stage: str
    """Where it takes effect, in lower case; ``data`` for the edition."""
    level: str
    """Name of the level."""
    about: str
    """What it does."""
    package: str
    """Who ships it."""
    version: str
    """Release or commit that was read; empty where the source has none."""
    file: str
    """File and lines; empty where the source has none."""
    evidence: str
    """``checked`` against a run of the package, ``read`` in its source, or our ``own``."""
    default: bool
    """Whether it is what this package does unless a study says otherwise."""
    paper: bool
    """Whether the shipped study `paper` varies it, or keeps it as the default."""
    requires: Mapping[str, tuple[str, ...]]
    """Levels of other factors under which it exists."""

    @property
    def place(self) -> str:
        """Package, version and file on one line."""
        return " ".join(part for part in (self.package, self.version, self.file) if part)


def practices(module: Benchmark, factors: Sequence[str] = ()) -> tuple[Practice, ...]:
    """Who ships which level of a benchmark.

    Parameters
    ----------
    module : Benchmark
        The adapter; its `FACTORS`, and where it declares them its `PAPER` and `EDITION_LEVELS`, are read.
    factors : sequence of str
        Only these factors; empty is all of them, and the editions of the data as ``edition``.

    Returns
    -------
    tuple of Practice
        Editions of the data first, then factors and levels as declared.

    Raises
    ------
    StudyError
        If the benchmark obeys no factor of one of the names.
    """
    declared = (EDITION, *(factor.name for factor in module.FACTORS))
    unknown = next((name for name in factors if name not in declared), None)
    if unknown is not None:
        raise StudyError(
            f"{module.NAME}: factor '{unknown}'",
            found="there is no such factor",
            expected=f"some of {', '.join(declared)}",
            remedy="Correct the name.",
        )
    rows = [*_edition_rows(module), *_factor_rows(module)]
    return tuple(row for row in rows if not factors or row.factor in factors)


def _edition_rows(module: Benchmark) -> list[Practice]:
    return [_row(level, source, factor=EDITION, stage="data") for level in _editions(module) for source in level.sources]


def _factor_rows(module: Benchmark) -> list[Practice]:
    paper: Mapping[str, tuple[str, ...]] = getattr(module, "PAPER", {})
    rows: list[Practice] = []
    for factor in module.FACTORS:
        kept = paper.get(factor.name, factor.names[:1])
        for level in factor.levels:
            rows += [
                _row(
                    level,
                    source,
                    factor=factor.name,
                    stage=_stage(factor),
                    default=level is factor.levels[0],
                    paper=level.name in kept,
                )
                for source in level.sources or (Source(package="safetyrepro", evidence=Evidence.OWN),)
            ]
    return rows


def _editions(module: Benchmark) -> tuple[Level, ...]:
    declared: tuple[Level, ...] = getattr(module, "EDITION_LEVELS", ())
    source = Source(package=module.SOURCE.revision, evidence=Evidence.READ)
    pinned = Level(name="pinned", about=f"{module.SOURCE.n_items} items, {module.SOURCE.licence}.", sources=(source,))
    return declared or (pinned,)


def _stage(factor: Factor) -> str:
    return factor.stage.name.lower() if isinstance(factor.stage, Stage) else ""


def _row(level: Level, source: Source, *, factor: str, stage: str, default: bool = False, paper: bool = False) -> Practice:
    return Practice(
        factor=factor,
        stage=stage,
        level=level.name,
        about=level.about,
        package=source.package,
        version=source.version,
        file=source.file,
        evidence=source.evidence.value,
        default=default,
        paper=paper,
        requires=dict(level.requires),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one configuration lies among all those that a claim is about."""

    settings: Settings
    """The configuration."""
    difference: float | None
    """Oriented score of the claim's A less that of its B; None where one of them is missing."""
    holds: bool | None
    """Whether the claim's relation holds there; None where a score is missing."""
    rank: int | None
    """1 where no configuration favours A more; equal differences share the better rank; None where a score is missing."""
    n_tied: int
    """Other configurations with the same difference."""
    n_known: int
    """Configurations in scope with both scores."""
    n_missing: int
    """Configurations in scope that lack a score."""
    n_holds: int
    """Configurations in scope in which the relation holds."""

    @property
    def sentence(self) -> str:
        """The standing in words."""
        whole = f"the relation holds in {self.n_holds} of {self.n_known}"
        missing = f"; {self.n_missing} lack a score" if self.n_missing else ""
        if self.rank is None:
            return f"no score here; {whole}{missing}"
        tied = f", tied with {self.n_tied}" if self.n_tied else ""
        word = "holds" if self.holds else "does not hold"
        return f"{ordinal(self.rank)} most favourable to A of {self.n_known}{tied}; it {word} here ({self.difference:+.4g}); {whole}{missing}"


def standings(claim: Claim, scope: Scope, at: Mapping[str, str]) -> tuple[Standing, ...]:
    """Where the configurations that meet a condition lie in a claim's scope.

    Parameters
    ----------
    claim : Claim
        Its two models, relation and margin are read; its quantifier is not.
    scope : Scope
        The configurations that it is about.
    at : mapping of factor to level
        The published configuration; factors that it does not name may have any level.

    Returns
    -------
    tuple of Standing
        The most favourable to A first, those without a score last.

    Raises
    ------
    ClaimError
        If a factor or level occurs in no configuration in scope, or no configuration meets all of them.
    """
    _check_named(claim, scope, at)
    chosen = [entry for entry in scope.entries if all(entry.settings.get(name) == level for name, level in at.items())]
    if not chosen:
        raise ClaimError(
            "--at",
            found=f"no configuration in scope has {', '.join(f'{name}={level}' for name, level in at.items())} together",
            remedy="Name fewer factors, or a store whose envelope has this configuration.",
        )
    known = [value for entry in scope.entries if (value := scope.difference(entry)) is not None]
    found = [_standing(claim, scope, entry, known) for entry in chosen]
    return tuple(sorted(found, key=lambda standing: (standing.rank is None, standing.rank or 0)))


def _check_named(claim: Claim, scope: Scope, at: Mapping[str, str]) -> None:
    for name, level in at.items():
        present = sorted({entry.settings[name] for entry in scope.entries if name in entry.settings})
        if level not in present:
            raise ClaimError(
                f"--at {name}={level}",
                found=f"occurs in no configuration that '{claim.sentence}' is about",
                expected=f"one of {', '.join(present)}" if present else "a factor of its envelope",
                remedy="Correct the condition.",
            )


def _standing(claim: Claim, scope: Scope, entry: ConfigurationVerdict, known: Sequence[float]) -> Standing:
    value = scope.difference(entry)
    return Standing(
        settings=entry.settings,
        difference=value,
        holds=None if value is None else _holds(value, claim),
        rank=None if value is None else 1 + sum(other > value + TOLERANCE for other in known),
        n_tied=0 if value is None else sum(abs(other - value) <= TOLERANCE for other in known) - 1,
        n_known=len(known),
        n_missing=len(scope.entries) - len(known),
        n_holds=sum(_holds(other, claim) for other in known),
    )


def _holds(difference: float, claim: Claim) -> bool:
    """A tie satisfies ``>=`` and not ``>``."""
    shifted = difference + claim.margin
    return shifted > TOLERANCE if claim.relation is Relation.AHEAD else shifted >= -TOLERANCE


def ordinal(number: int) -> str:
    """A rank in words: 1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
