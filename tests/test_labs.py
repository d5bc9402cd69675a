"""Two labs with opposite verdicts: the fewest differences that turn the one into the other are found by trying every set."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from safetyrepro.cli import app
from safetyrepro.errors import IngestError
from safetyrepro.explain import ITEMS, RULE
from safetyrepro.harnesses.rules import Answer, score
from safetyrepro.labs import MAX_CAUSES, explain_labs, minimal_sets
from safetyrepro.records import Status
from safetyrepro.sides import Side, SideItem

OPTIONS = ("yes", "certainly not, never, in no way")


def side(model: str, likelihoods: list[tuple[float, float]], *, rule: str, n_items: int | None = None) -> Side:
    """A model's run: the first option is right; a rule reads what each option's likelihood was."""
    items = []
    for number, pair in enumerate(likelihoods[:n_items]):
        answer = Answer(options=OPTIONS, loglikelihoods=pair)
        items.append(
            SideItem(
                id=str(number), text=f"Is number {number} of a long list even?", answer=answer, gold="yes",
                value=score(rule, answer, "yes"), status=Status.SCORED, prompt=f"Q: {number}", token_digest="",
            )
        )  # fmt: skip
    return Side(
        name="lab", model=model, benchmark="toy", estimand="accuracy", worst=0.0, settings={"scoring": rule}, items=tuple(items)
    )


# Under `sum` the short option wins unless it is 1 nat worse; under `per_character` the long one almost always.
CAREFUL = [(-3.0, -100.0)] * 8 + [(-9.0, -5.0)] * 2
BOLD = [(-3.0, -4.0)] * 9 + [(-9.0, -5.0)]


def test_a_reading_that_turns_the_verdict_around_is_the_minimal_set() -> None:
    lab_a = side("careful", CAREFUL, rule="sum"), side("bold", BOLD, rule="sum")
    lab_b = side("careful", CAREFUL, rule="per_character"), side("bold", BOLD, rule="per_character")
    found = explain_labs(lab_a, lab_b)
    assert found.differences == pytest.approx((-0.1, 0.8))
    assert found.opposite
    assert found.flips == ((RULE,),)
    assert math.fsum(amount for _, amount in found.parts) == pytest.approx(found.differences[0] - found.differences[1])
    text = "\n".join(found.lines())
    assert "A: careful - bold = -0.1000, bold is higher" in text
    assert f"turns the verdict of A around: {RULE}" in text


def test_items_that_one_lab_left_out_can_turn_a_verdict_around_by_themselves() -> None:
    first = [(-9.0, -5.0)] * 5 + [(-3.0, -100.0)] * 10
    second = [(-3.0, -100.0)] * 5 + [(-3.0, -100.0)] * 3 + [(-9.0, -5.0)] * 7
    lab_a = side("x", first, rule="sum"), side("y", second, rule="sum")
    lab_b = side("x", first, rule="sum", n_items=6), side("y", second, rule="sum", n_items=6)
    found = explain_labs(lab_a, lab_b)
    assert found.opposite
    assert found.flips == ((ITEMS,),)


def test_labs_that_agree_have_nothing_to_turn_around() -> None:
    lab = side("careful", CAREFUL, rule="sum"), side("bold", BOLD, rule="sum")
    found = explain_labs(lab, lab)
    assert not found.opposite
    text = "\n".join(found.lines())
    assert "do not order the models in opposite ways" in text
    assert text.count("every shared item has the same prompt and value on both sides") == 2
    assert "+0.0000\n" not in text.replace("gap A - B = +0.0000", "")


@given(st.integers(0, 5), st.sampled_from([-1, 0, 1]), st.data())
def test_minimal_sets_are_those_of_the_plain_definition(n_causes, order, data) -> None:
    causes = tuple("abcde"[:n_causes])
    sets = [frozenset(c) for size in range(n_causes + 1) for c in itertools.combinations(causes, size)]
    worth = {members: data.draw(st.sampled_from([-1.0, 0.0, 1.0])) for members in sets}
    worth[frozenset()] = float(order)
    reversing = [members for members in sets if order and worth[members] == -order]
    wanted = {members for members in reversing if not any(other < members for other in reversing)}
    found = minimal_sets(causes, order, lambda moved: worth[frozenset(moved)])
    assert {frozenset(members) for members in found} == wanted
    assert [len(members) for members in found] == sorted(len(members) for members in found)


def test_too_many_causes_are_refused(monkeypatch) -> None:
    monkeypatch.setattr("safetyrepro.labs.MAX_CAUSES", 0)
    lab = side("careful", CAREFUL, rule="sum"), side("bold", BOLD, rule="sum")
    with pytest.raises(IngestError, match="at most 0"):
        explain_labs(lab, lab)
    assert MAX_CAUSES == 12


def written(folder: Path, *, turned: bool) -> Path:
    """Results and samples of two models; the second lab shows a space behind its prompts, and its answers are the other's."""
    folder.mkdir()
    for place, (model, values) in enumerate((("org/x", (1, 1, 1, 0)), ("org/y", (1, 0, 0, 0)))):
        stamp = f"2025-01-02T03-04-0{place}.000001"
        records = [
            {
                "doc_id": number,
                "doc": {"question": f"How many is {number} and one more?", "choices": ["one", "two"]},
                "target": "0",
                "arguments": [[f"Q: {number}\nA:{' ' * turned}", text] for text in ("one", "two")],
                "resps": [[[str(-2.0 + 1.5 * right), "False"]], [["-1.0", "False"]]],
                "filtered_resps": [[str(-2.0 + 1.5 * right), "False"], ["-1.0", "False"]],
                "acc": float(right),
            }
            for number, right in enumerate(reversed(values) if place == 0 and turned else values)
        ]
        if turned:
            for record in records:
                record["acc"] = 1.0 - record["acc"]
                record["filtered_resps"].reverse()
                record["resps"].reverse()
        mean = sum(record["acc"] for record in records) / 4
        results = {"results": {"toy": {"acc,none": mean}}, "versions": {}, "model_name": model}
        results["configs"] = {"toy": {"output_type": "multiple_choice"}}
        (folder / f"results_{stamp}.json").write_text(json.dumps(results))
        (folder / f"samples_toy_{stamp}.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder


def test_the_command_names_what_turns_the_verdict_and_shows_the_first_difference_as_a_diff(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", turned=False), written(tmp_path / "b", turned=True)
    arguments = ["explain", str(a), str(b), "--model", "org/x", "--versus", "org/y", "--estimand", "accuracy"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "A: org/x - org/y = +0.5000, org/x is higher" in result.output
    assert "B: org/x - org/y = -0.5000, org/y is higher" in result.output
    assert "turns the verdict of A around: white space or delimiter" in result.output
    assert "first difference at character 7 of item 0" in result.output
    assert "  - 'Q: 0\\nA: | one | two'" in result.output
    assert "  + 'Q: 0\\nA:  | one | two'" in result.output


def test_what_has_another_name_on_side_b_is_chosen_for_b_alone(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", turned=False), written(tmp_path / "b", turned=True)
    for path in sorted(b.iterdir()):
        path.write_text(path.read_text().replace('"toy"', '"toy_two"').replace('"acc', '"exact_match'))
        path.rename(path.with_name(path.name.replace("_toy_", "_toy_two_")))
    words = ["explain", str(a), str(b), "--model", "org/x", "--benchmark", "toy", "--estimand", "accuracy"]
    unnamed = CliRunner().invoke(app, words)
    assert "--benchmark-b" in str(unnamed.exception)
    named = CliRunner().invoke(app, [*words, "--benchmark-b", "toy_two", "--estimand-b", "exact_match"])
    assert named.exit_code == 0, named.exception
    assert f"B: {b}: org/x on toy_two (exact_match)" in named.output


def test_two_labs_of_one_model_each_are_refused_with_what_there_is(tmp_path: Path) -> None:
    a = written(tmp_path / "a", turned=False)
    result = CliRunner().invoke(app, ["explain", str(a), str(a), "--model", "org/x", "--versus", "org/z"])
    assert result.exit_code != 0
    assert "org/x on toy" in str(result.exception)


def test_a_side_of_another_scale_keeps_its_parts_closed() -> None:
    lab_a = side("x", CAREFUL, rule="sum"), side("y", BOLD, rule="sum")
    lab_b = (replace(lab_a[0], reported=0.3), replace(lab_a[1], reported=0.95))
    found = explain_labs(lab_a, lab_b)
    assert math.fsum(amount for _, amount in found.parts) == pytest.approx(
        found.differences[0] - found.differences[1], abs=1e-12
    )
