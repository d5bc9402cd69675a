"""The table of a plan: eighty columns without a cut figure, estimates marked, sums of what is known."""

from __future__ import annotations

import pytest
from rich.console import Console

from safetyrepro.costs import BenchmarkCost, TokensBy
from safetyrepro.render.planned import _cost_table, _figure, _table_note


def cost(
    model: str, benchmark: str, *, tokens: int = 19_239_412, limit: int | None = None, n_items: int = 654
) -> BenchmarkCost:
    by = TokensBy.CHARACTERS if limit is None else TokensBy.TOKENIZER
    return BenchmarkCost(
        model=model,
        benchmark=benchmark,
        n_configurations=48,
        n_prompt_cells=12,
        n_items=n_items,
        requests_naive=157_470 if n_items else 0,
        requests=80_512 if n_items else 0,
        tokens_naive=26_888_190 if n_items else 0,
        tokens=tokens if n_items else 0,
        tokens_limit=limit,
        tokens_by=by,
        longest=700,
    )


def printed(costs: list[BenchmarkCost]) -> list[str]:
    console = Console(width=80, force_terminal=False)
    with console.capture() as caught:
        console.print(_cost_table(costs))
    return [line.rstrip() for line in caught.get().splitlines()]


def test_loads_that_are_asked_the_same_are_one_row_and_their_sum():
    costs = [cost(model, benchmark) for benchmark in ("truthfulqa", "bbq") for model in ("one", "two", "three")]

    lines = printed(costs)

    assert [line.split() for line in lines if line.startswith(("truthfulqa", "bbq", "all"))] == [
        ["truthfulqa", "48", "12", "157,470", "80,512", "~26.9", "M", "~19.2", "M", "-"],
        ["bbq", "48", "12", "157,470", "80,512", "~26.9", "M", "~19.2", "M", "-"],
        ["all", "loads", "288", "72", "944,820", "483,072", "~161", "M", "~115", "M", "-"],
    ]
    assert _table_note(costs) == "A row is of one load; each of the 3 loads is asked the same. "


def test_loads_that_differ_have_a_row_each_and_exact_figures_in_full():
    costs = [cost(f"a-model-of-a-long-name-{n}", "bbq", tokens=123_456_789 + n, limit=98_765_432) for n in range(2)]

    lines = printed(costs)

    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= 80
    assert sum("123,456,789" in line or "123,456,790" in line for line in lines) == 2
    assert "246,913,579" in lines[-1]
    assert "197,530,864" in lines[-1]
    assert _table_note(costs) == ""


def test_nothing_is_summed_where_a_benchmark_is_not_at_hand():
    lines = printed([cost("one", "bbq", limit=5), cost("one", "xstest", n_items=0)])

    assert not any(line.startswith("all loads") for line in lines)
    assert lines[-1].split() == ["xstest", "48", "12", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("number", "told"),
    [(None, "-"), (0, "-"), (999, "~999"), (1000, "~1 k"), (876_670, "~877 k"), (999_999, "~1 M"), (8_715_400, "~8.72 M")],
)
def test_an_estimate_has_three_digits(number: int | None, told: str):
    assert _figure(number, estimated=True) == told
