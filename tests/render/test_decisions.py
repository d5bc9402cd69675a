"""What several configurations of a decision share is told once, and nothing of them is lost."""

from __future__ import annotations

import pytest

from safetyrepro.render.decisions import _listed
from safetyrepro.verdicts import ClaimWitness


def witness(a: float | None = 0.25, b: float | None = 0.5, **settings: str) -> ClaimWitness:
    return ClaimWitness(settings=settings, digest="d" * 16, score_a=a, score_b=b)


def test_one_configuration_is_told_whole():
    assert _listed("witness", [witness(shots="0", template="x")]) == [
        "witness: shots=0, template=x (dddddddddddddddd): 0.2500 against 0.5000, difference -0.2500"
    ]


def test_what_all_share_is_told_behind_them():
    entries = [witness(shots="0", template="x", scoring="sum"), witness(None, None, shots="0", template="y", scoring="sum")]

    assert _listed("lacks a score", entries) == [
        "lacks a score: template=x (dddddddddddddddd): 0.2500 against 0.5000, difference -0.2500",
        "lacks a score: template=y (dddddddddddddddd)",
        "the same in each that is named: scoring=sum, shots=0",
    ]


def test_only_those_that_are_named_count_for_what_is_shared():
    entries = [witness(template=f"t{n}", shots="0" if n < 3 else "5") for n in range(5)]

    assert _listed("witness", entries)[-2:] == ["witness: and 2 more", "the same in each that is named: shots=0"]


@pytest.mark.parametrize("second", [{"template": "y"}, {}])
def test_where_nothing_is_shared_nothing_is_said_of_it(second: dict[str, str]):
    lines = _listed("witness", [witness(template="x"), witness(**second)])

    assert len(lines) == 2
    assert lines[1].startswith("witness: template=y" if second else "witness: (no factor)")


def test_a_configuration_with_fewer_factors_is_not_called_empty():
    lines = _listed("witness", [witness(template="x"), witness(template="x", scoring="sum")])

    assert lines[0].startswith("witness: (no further factor)")
    assert lines[-1] == "the same in each that is named: template=x"
