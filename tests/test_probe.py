"""A probe counts tokens exactly, asks a part, scales it, and stores nothing."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import safetyrepro.probe as probing
from safetyrepro.backends.prefix import Scorable, count_tokens
from safetyrepro.backends.replay import ScriptedBackend
from safetyrepro.cli import main
from safetyrepro.plan import cell_requests, make_plan
from safetyrepro.probe import probe
from safetyrepro.records import RequestKind
from safetyrepro.render.estimate import duration, print_estimate
from safetyrepro.study import parse_study
from test_plan_and_run import TEXT, prompts_csv

ITEMS = 24


class Ticking:
    """A clock that a scripted model moves: a second for each answer; reading it costs nothing."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch):
    """A plan whose every answer takes one second, and its clock."""
    (tmp_path / "xstest").mkdir()
    (tmp_path / "xstest" / "xstest_prompts.csv").write_text(prompts_csv(400))
    clock = Ticking()

    def answered(text: str, request: object) -> str:
        clock.now += 1.0
        return "no"

    class Module:
        FACTORS = ()

        @staticmethod
        def open_backend(model, load, engine, *, folder):
            clock.now += 10.0
            return ScriptedBackend(model.name, answered)

    monkeypatch.setattr(probing, "backend_module", lambda name: Module)

    def plan(n_items: int, **fields: object):
        text = TEXT.replace(f"items: {ITEMS}", f"items: {n_items}") + "".join(f"{k}: {v}\n" for k, v in fields.items())
        return make_plan(parse_study(text, where="study"), tmp_path / "study.yaml")

    return plan, clock


def test_time_is_what_every_request_would_take(scripted):
    plan, clock = scripted
    estimate = probe(plan(200), seconds=64.0, clock=clock)

    for load in estimate.loads:
        (unit,) = load.units
        assert load.seconds_loaded == 10.0
        assert unit.requests == 400
        assert unit.probed == 64
        assert unit.seconds_asked == pytest.approx(400.0)
        assert unit.seconds_recorded == pytest.approx(4 * 4 * 200 * probing.RECORD_SECONDS + 400 * probing.STORE_SECONDS)
    assert estimate.seconds == pytest.approx(estimate.seconds_started + 2 * 410, abs=1.0)
    assert estimate.seconds_probed == 2 * (10 + 64 + probing.WARMING)


def test_repeats_are_asked_again(scripted):
    plan, clock = scripted
    once, thrice = (probe(plan(24, repeats=repeats), clock=clock).loads[0].units[0] for repeats in (1, 3))

    assert thrice.seconds_asked == pytest.approx(3 * once.seconds_asked)
    assert thrice.tokens_limit == once.tokens_limit


def test_tokens_equal_their_definitions(scripted):
    plan, clock = scripted
    worked_out = plan(24)
    (unit,) = probe(worked_out, clock=clock).loads[0].units
    backend = ScriptedBackend("kind", lambda text, request: "no")
    (benchmark,) = worked_out.benchmarks
    examples = benchmark.examples(worked_out.loads[0].model)
    asked = [
        request
        for *_, requests in cell_requests(benchmark, benchmark.envelope.configurations, examples)
        for request in requests
    ]
    encoded = backend.encode(asked)
    different = list({one.key: one for one in encoded}.values())

    assert unit.tokens_naive == sum(len(one.context_ids) for one in encoded)
    assert unit.tokens_planned == sum(len(one.context_ids) for one in different)
    assert unit.tokens_limit == count_tokens([Scorable((*one.context_ids, 0), 1) for one in different]).limit


def test_stretches_hold_every_request_once_and_are_visited_far_apart(scripted):
    plan, _ = scripted
    backend = ScriptedBackend("kind", lambda text, request: -1.0)
    (benchmark,) = plan(200).benchmarks
    examples = benchmark.examples(plan(200).loads[0].model)
    asked = [
        request
        for *_, requests in cell_requests(benchmark, benchmark.envelope.configurations, examples)
        for request in requests
    ]
    encoded = list({one.key: one for one in backend.encode(asked)}.values())

    stretches = list(probing._stretches(encoded, RequestKind.GENERATION))
    assert [one for stretch in stretches for one in stretch] == encoded
    assert {len(stretch) for stretch in stretches[:-1]} == {probing.STRETCH_REQUESTS}
    for count in (1, 2, 7, 100):
        assert sorted(probing._spread(count)) == list(range(count))
    assert max(b - a for a, b in itertools.pairwise([0, *sorted(probing._spread(100)[:8]), 100])) < 26


def test_the_command_prints_an_estimate_and_stores_nothing(scripted, tmp_path: Path, monkeypatch, capsys):
    plan, clock = scripted
    plan(24)
    (tmp_path / "study.yaml").write_text(TEXT)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("sys.argv", ["safetyrepro", "plan", str(tmp_path / "study.yaml"), "--probe", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)

    assert document["estimate"]["seconds"] > 0
    assert [load["load"] for load in document["estimate"]["loads"]] == ["kind", "blunt"]
    assert sorted(tmp_path.rglob("*")) == before
    print_estimate(probe(plan(24), clock=clock))
    assert "A run into an empty store takes about" in capsys.readouterr().out


def test_a_time_is_told_in_the_largest_unit_that_fits():
    assert [duration(seconds) for seconds in (0.4, 119, 121, 7000, 7300)] == ["0 s", "119 s", "2 min", "117 min", "2.0 h"]
