"""What every benchmark keeps: one contract, tested over the table with the suite that ships with the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import safetyrepro
from builders import response
from safetyrepro.benchmarks import benchmark_module, benchmark_modules
from safetyrepro.benchmarks.base import Examples
from safetyrepro.benchmarks.data import load_data
from safetyrepro.envelope import Configuration, Factor, Stage, product
from safetyrepro.errors import StudyError
from safetyrepro.records import Item, Request, RequestKind, Response, Role, Status

SUITE = Path(safetyrepro.__file__).parent / "quickstart" / "suite"
MODULES = dict(benchmark_modules())
CELLS = {"truthfulqa": 48, "bbq": 48, "toxigen": 48, "xstest": 48, "crows_pairs": 12}

each_benchmark = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES.keys())


def drawn(module: ModuleType, n_items: int = 6) -> tuple[tuple[Item, ...], Examples]:
    loaded = load_data(module, SUITE / module.NAME)
    items, pool = module.subset(module.items(loaded.files), n_items, np.random.default_rng(7))
    texts = {**loaded.texts, "primer": "Q: primer?\nA: primer."}
    return items, Examples(pool=pool, texts=texts, safety_prompt="Be careful.")


def restricted(module: ModuleType, levels: dict[str, tuple[str, ...]]) -> tuple[Factor, ...]:
    """The factors with the levels named, and for every other factor its default alone."""
    return tuple(
        Factor(
            name=factor.name,
            stage=factor.stage,
            levels=tuple(level for level in factor.levels if level.name in levels.get(factor.name, factor.names[:1])),
        )
        for factor in module.FACTORS
    )


def paper(module: ModuleType) -> tuple[Configuration, ...]:
    return product(restricted(module, dict(module.PAPER)))


def scripted(requests: tuple[Request, ...], text: str, seed: int = 0) -> list[Response]:
    rng = np.random.default_rng(seed)
    return [
        response(text=text)
        if request.kind is RequestKind.GENERATION
        else response(logprobs=list(-rng.exponential(size=1 + len(request.continuation or "") // 5)))
        for request in requests
    ]


def test_the_table_holds_five_benchmarks_by_their_names() -> None:
    assert list(MODULES) == ["truthfulqa", "bbq", "toxigen", "crows_pairs", "xstest"]
    for name, module in MODULES.items():
        assert isinstance(module, ModuleType)
        assert module.__name__ == f"safetyrepro.benchmarks.{name}"
        assert benchmark_module(name) is module


def test_a_benchmark_that_nobody_wrote_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(StudyError, match="expected one of truthfulqa, bbq, toxigen, crows_pairs, xstest"):
        benchmark_module("mmlu")


def test_the_table_loads_no_heavy_library() -> None:
    code = (
        "import sys; from safetyrepro.benchmarks import benchmark_modules; benchmark_modules(); "
        "print(sorted({'torch', 'transformers', 'pandas', 'httpx', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@each_benchmark
def test_words_source_and_licence_are_there(module: ModuleType) -> None:
    assert module.TITLE
    assert module.ABOUT.endswith(".")
    source = module.SOURCE
    assert all((source.revision, source.licence, source.citation, source.n_items))
    for file in source.files:
        assert file.sha256
        assert not file.url or file.url.startswith("https://")


@each_benchmark
def test_every_level_says_what_it_does_and_who_ships_it(module: ModuleType) -> None:
    for factor in module.FACTORS:
        assert factor.about
        assert factor.stage in (Stage.PROMPT, Stage.DECODE, Stage.SCORE)
        assert len(set(factor.names)) == len(factor.names)
        for level in factor.levels:
            assert level.about, f"{factor.name}={level.name}"
            assert level.sources, f"{factor.name}={level.name}"


@each_benchmark
def test_nesting_names_factors_and_levels_that_exist(module: ModuleType) -> None:
    by_name = {factor.name: factor for factor in module.FACTORS}
    for factor in module.FACTORS:
        for level in factor.levels:
            for other, admitted in level.requires.items():
                assert set(admitted) <= set(by_name[other].names)


@each_benchmark
def test_the_papers_envelope_has_its_number_of_cells(module: ModuleType) -> None:
    configurations = paper(module)
    assert len(configurations) == CELLS[module.NAME]
    assert len({configuration.digest for configuration in configurations}) == CELLS[module.NAME]


@each_benchmark
def test_every_core_condition_is_met_by_one_member(module: ModuleType) -> None:
    met = []
    for condition in module.CORE:
        members = [one for one in paper(module) if one.matches({name: (level,) for name, level in condition.items()})]
        assert len(members) == 1, condition
        met += members
    assert len(set(met)) == len(module.CORE) == 4


@each_benchmark
def test_estimands_have_distinct_names_a_range_and_a_reference(module: ModuleType) -> None:
    assert len({estimand.name for estimand in module.ESTIMANDS}) == len(module.ESTIMANDS)
    for estimand in module.ESTIMANDS:
        assert estimand.about.endswith(".")
        assert estimand.low < estimand.high
        assert estimand.low <= estimand.worst <= estimand.high


@each_benchmark
def test_items_are_unique_and_reading_them_twice_gives_the_same(module: ModuleType) -> None:
    files = load_data(module, SUITE / module.NAME).files
    items = module.items(files)
    assert len(items) >= 40
    assert len({item.id for item in items}) == len(items)
    assert all(item.cluster for item in items)
    assert module.items(files) == items


@each_benchmark
def test_evaluated_items_and_examples_share_neither_item_nor_cluster(module: ModuleType) -> None:
    everything = module.items(load_data(module, SUITE / module.NAME).files)
    for n_items in (4, 20, len(everything)):
        items, pool = module.subset(everything, n_items, np.random.default_rng(3))
        assert 0 < len(items) <= n_items
        assert len({item.id for item in items}) == len(items)
        assert not {item.cluster for item in items} & {item.cluster for item in pool}
        assert module.subset(everything, n_items, np.random.default_rng(3)) == (items, pool)
        places = [everything.index(item) for item in items]
        assert places == sorted(places)


@each_benchmark
def test_requests_are_a_function_of_their_arguments_and_end_with_the_user(module: ModuleType) -> None:
    items, examples = drawn(module)
    for configuration in paper(module):
        for item in items[:2]:
            requests = module.requests(item, configuration, examples)
            assert requests
            assert module.requests(item, configuration, examples) == requests
            for request in requests:
                assert request.prompt.turns
                assert request.prompt.turns[-1].role is Role.USER
                assert request.continuation != ""


@each_benchmark
def test_outcomes_answer_every_estimand_in_order_and_range(module: ModuleType) -> None:
    items, examples = drawn(module)
    for configuration in paper(module):
        for number, item in enumerate(items):
            requests = module.requests(item, configuration, examples)
            for text in ("ANSWER: A", "A", "I am sorry, but no.", ""):
                outcomes = module.outcomes(item, configuration, scripted(requests, text, number))
                assert [outcome.estimand for outcome in outcomes] == [estimand.name for estimand in module.ESTIMANDS]
                for outcome, estimand in zip(outcomes, module.ESTIMANDS, strict=True):
                    assert outcome.value is None or estimand.low <= outcome.value <= estimand.high
                    assert outcome.weight in (0.0, 1.0)


@each_benchmark
def test_an_empty_answer_is_never_a_score(module: ModuleType) -> None:
    items, examples = drawn(module)
    for configuration in paper(module):
        requests = module.requests(items[0], configuration, examples)
        if any(request.kind is RequestKind.GENERATION for request in requests):
            outcomes = module.outcomes(items[0], configuration, scripted(requests, ""))
            assert all(outcome.status is not Status.SCORED for outcome in outcomes if outcome.weight), configuration.label


def changed(module: ModuleType, factor: Factor, level: str) -> bool:
    """Whether a level changes a request against each other level of the factor, in some configuration that admits both."""
    items, examples = drawn(module)
    admitted: dict[tuple[tuple[str, str], ...], dict[str, Configuration]] = {}
    names = {name: tuple(levels) for name, levels in module.PAPER.items()}
    names["template"] = next((one.names for one in module.FACTORS if one.name == "template"), ())
    for configuration in product(restricted(module, {**names, factor.name: factor.names})):
        rest = tuple(pair for pair in configuration.settings if pair[0] != factor.name)
        admitted.setdefault(rest, {})[configuration[factor.name]] = configuration
    met, unlike = set[str](), set[str]()
    for group in (group for group in admitted.values() if level in group):
        met |= set(group) - {level}
        if met - unlike:
            mine = [module.requests(item, group[level], examples) for item in items]
            for name in sorted(set(group) - unlike - {level}):
                if mine != [module.requests(item, group[name], examples) for item in items]:
                    unlike.add(name)
    return bool(met) and met == unlike


@each_benchmark
def test_every_level_before_scoring_changes_a_request(module: ModuleType) -> None:
    silent = [
        f"{factor.name}={level.name}"
        for factor in module.FACTORS
        if factor.stage is not Stage.SCORE
        for level in factor.levels
        if not changed(module, factor, level.name)
    ]
    assert not silent


@each_benchmark
def test_a_configuration_that_names_only_some_factors_takes_the_defaults(module: ModuleType) -> None:
    items, examples = drawn(module)
    defaults = Configuration.of({factor.name: factor.levels[0].name for factor in module.FACTORS})
    assert module.requests(items[0], Configuration(()), examples) == module.requests(items[0], defaults, examples)
