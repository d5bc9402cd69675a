"""Study + declared factors -> Envelope: every level is one that somebody obeys, every absence has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from safetyrepro.envelope import Configuration, Envelope, Exclusion, Factor, Level, exclude
from safetyrepro.errors import StudyError
from safetyrepro.study import BenchmarkSpec


def build_envelope(
    spec: BenchmarkSpec,
    factors: Sequence[Factor],
    *,
    load: Mapping[str, Sequence[str]],
    where: str,
    hidden: Sequence[Exclusion] = (),
    core: Sequence[Mapping[str, str]] | None = None,
) -> Envelope:
    """The envelope of a benchmark in a study.

    Parameters
    ----------
    spec : BenchmarkSpec
        What the study varies.
    factors : sequence of Factor
        Everything that the benchmark and the backend obey.
    load : mapping of factor to levels
        LOAD factors that the study varies for every benchmark.
    where : str
        Name of the study's file, for errors.
    hidden : sequence of Exclusion
        Further exclusions that the circumstances force, with reasons.
    core : sequence of mappings, optional
        Conditions of the core tier; those of the study where it names some, else the benchmark's published defaults, of which
        the ones that the envelope does not hold are passed over.

    Returns
    -------
    Envelope
        A factor that the study does not name keeps the first of its levels that the other settings admit.

    Raises
    ------
    StudyError
        If the study names a factor or level that nobody obeys, a level that its nesting never admits, a core condition that
        no member meets, or leaves no configuration.
    """
    place = f"{where}, benchmark '{spec.name}'"
    ordered = sorted(factors, key=lambda factor: factor.stage if factor.stage is not None else 0)
    varied = {**{name: list(levels) for name, levels in load.items()}, **spec.factors}
    _check_named(varied, ordered, place)
    if spec.configurations:
        members = tuple(_completed(settings, ordered, place) for settings in spec.configurations)
    else:
        members = _members(ordered, varied)
    _check_admitted(varied, ordered, members, place)
    exclusions = [
        Exclusion(condition={k: tuple(v) for k, v in entry.when.items()}, reason=entry.reason) for entry in spec.exclude
    ]
    for entry in exclusions:
        _check_named({name: list(levels) for name, levels in entry.condition.items()}, ordered, f"{place}, exclude")
    kept, counted = exclude(members, [*exclusions, *hidden])
    if not kept:
        raise StudyError(place, found="no configuration is left", remedy="Name other levels, or exclude fewer.")
    return Envelope(
        benchmark=spec.name,
        factors=_occurring(ordered, kept),
        configurations=kept,
        core=_core(spec, core, ordered, members, kept=kept, place=place),
        exclusions=tuple(entry for entry in counted if entry.count),
    )


def _check_named(varied: Mapping[str, Sequence[str]], factors: Sequence[Factor], place: str) -> None:
    by_name = {factor.name: factor for factor in factors}
    for name, levels in varied.items():
        if name not in by_name:
            raise StudyError(
                place,
                found=f"nobody obeys a factor '{name}'",
                expected=f"one of {', '.join(by_name)}",
                remedy="Correct the study; `safetyrepro defaults BENCHMARK` lists factors and levels.",
            )
        unknown = [level for level in levels if level not in by_name[name].names]
        if unknown or not levels:
            found = f"factor '{name}' has no level '{unknown[0]}'" if unknown else f"factor '{name}' has no level listed"
            raise StudyError(
                place,
                found=found,
                expected=f"some of {', '.join(by_name[name].names)}",
                remedy="Correct the study, or add the level where the factor is declared.",
            )


def _members(factors: Sequence[Factor], varied: Mapping[str, Sequence[str]]) -> tuple[Configuration, ...]:
    """Grow configurations factor by factor; nesting is checked against the factors already set."""
    grown: list[dict[str, str]] = [{}]
    for factor in factors:
        grown = [settings for start in grown for settings in _extended(start, factor, varied.get(factor.name))]
    return tuple(Configuration.of(settings) for settings in grown)


def _extended(start: dict[str, str], factor: Factor, names: Sequence[str] | None) -> list[dict[str, str]]:
    admitted = [level for level in factor.levels if _admits(level, start)]
    if names is None:
        return [{**start, factor.name: admitted[0].name}] if admitted else []
    by_name = {level.name: level for level in admitted}
    return [{**start, factor.name: name} for name in names if name in by_name]


def _admits(level: Level, settings: Mapping[str, str]) -> bool:
    return all(settings[name] in levels for name, levels in level.requires.items() if name in settings)


def _completed(settings: Mapping[str, str], factors: Sequence[Factor], place: str) -> Configuration:
    _check_named({name: [level] for name, level in settings.items()}, factors, place)
    found = _members(factors, {name: [level] for name, level in settings.items()})
    if not found:
        raise StudyError(
            place,
            found=f"the settings {dict(settings)} exclude each other",
            remedy="`safetyrepro defaults BENCHMARK` says which levels exist under which others.",
        )
    return found[0]


def _check_admitted(
    varied: Mapping[str, Sequence[str]], factors: Sequence[Factor], members: Sequence[Configuration], place: str
) -> None:
    """A level that its nesting never admits would be accepted and ignored."""
    seen = {pair for member in members for pair in member.settings}
    by_name = {factor.name: factor for factor in factors}
    for name, levels in varied.items():
        for level in levels:
            if (name, level) not in seen:
                needs = "; ".join(f"{k} one of {', '.join(v)}" for k, v in by_name[name].level(level).requires.items())
                raise StudyError(
                    place,
                    found=f"level '{level}' of '{name}' occurs in no configuration",
                    expected=f"{needs or 'other settings'}",
                    remedy="Vary a level under which it exists, or leave it out.",
                )


def _occurring(factors: Sequence[Factor], members: Sequence[Configuration]) -> tuple[Factor, ...]:
    seen = {pair for member in members for pair in member.settings}
    return tuple(
        Factor(
            name=factor.name,
            stage=factor.stage,
            about=factor.about,
            levels=tuple(level for level in factor.levels if (factor.name, level.name) in seen),
        )
        for factor in factors
    )


def _core(
    spec: BenchmarkSpec,
    core: Sequence[Mapping[str, str]] | None,
    factors: Sequence[Factor],
    members: Sequence[Configuration],
    *,
    kept: Sequence[Configuration],
    place: str,
) -> frozenset[Configuration]:
    chosen: set[Configuration] = set()
    for condition in core or spec.core:
        wanted = {name: (level,) for name, level in condition.items()}
        if spec.core:
            _check_named({name: [level] for name, level in condition.items()}, factors, f"{place}, core")
        if spec.core and not any(member.matches(wanted) for member in members):
            raise StudyError(
                f"{place}, core",
                found=f"no configuration of the envelope meets {dict(condition)}",
                remedy="Correct the condition, or vary the levels that it names.",
            )
        chosen.update(member for member in kept if member.matches(wanted))
    return frozenset(chosen)
