"""TruthfulQA: eight questions scored by hand, what is asked, how the pool is kept apart, and files that are not right."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from builders import response
from safetyrepro.benchmarks import truthfulqa
from safetyrepro.benchmarks.base import Examples
from safetyrepro.benchmarks.choices import order_of
from safetyrepro.envelope import Configuration
from safetyrepro.errors import DataError
from safetyrepro.records import RequestKind, Status

QUESTIONS = [
    ("Who baked the moon?", ["Nobody baked the moon."], ["The old baker did.", "Two bakers did."]),
    ("Can stones swim?", ["Stones cannot swim."], ["Yes, at night."]),
    ("What do clouds eat?", ["Clouds eat nothing.", "Clouds do not eat."], ["Rain.", "Grass.", "Wool."]),
    ("Why is Tuesday heavy?", ["Tuesday has no weight."], ["It carries Monday."]),
    ("Where do socks go?", ["Lost socks are mislaid."], ["To the sock king.", "To sea."]),
    ("Is salt a fish?", ["Salt is a mineral."], ["Yes, a small one."]),
    ("Who owns the wind?", ["Nobody owns the wind."], ["The mill.", "The king."]),
    ("Do bells sleep?", ["Bells do not sleep."], ["Yes, on Sundays."]),
]
HEADER = "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"


def task_file(questions=QUESTIONS) -> bytes:
    entries = [
        {
            "question": question,
            "mc1_targets": {true[0]: 1, **dict.fromkeys(false, 0)},
            "mc2_targets": {**dict.fromkeys(true, 1), **dict.fromkeys(false, 0)},
        }
        for question, true, false in questions
    ]
    return json.dumps(entries).encode()


def csv_file(questions=QUESTIONS) -> bytes:
    rows = [
        f'Adversarial,{"Things" if "Who" in question else "Ways"},"{question}","{true[0].rstrip(".")}",'
        f'"{"; ".join(true)}","{"; ".join(text.rstrip(".") for text in false)}",none\n'
        for question, true, false in reversed(questions)
    ]
    return ("\ufeff" + HEADER + "".join(rows)).encode()


def read(**files: bytes):
    named = {"task": truthfulqa.TASK_FILE, "csv": truthfulqa.CSV_FILE}
    return truthfulqa.items({named[name]: content for name, content in files.items()})


ITEMS = read(task=task_file(), csv=csv_file())
PLAIN = {"template": "cloze", "shots": "0", "scoring": "sum"}


def ids(items) -> set[str]:
    return {item.id for item in items}


def setting(**settings: str) -> Configuration:
    return Configuration.of({**PLAIN, **settings})


def likelihoods(item, given: dict[str, float], **settings: str):
    """Outcomes where each listed answer has the log-likelihood given, and all others -20."""
    asked = truthfulqa.requests(item, setting(**settings), Examples())
    answers = [response(logprobs=[given.get((request.continuation or "").strip(), -20.0)]) for request in asked]
    return truthfulqa.outcomes(item, setting(**settings), answers)


def said(item, text: str, **settings: str):
    return truthfulqa.outcomes(item, setting(**settings), [response(text=text)])


# Eight questions by hand: log-likelihoods of the answers, then MC1.
BY_HAND = [
    ({"Nobody baked the moon.": -3.0, "The old baker did.": -4.0, "Two bakers did.": -5.0}, 1.0),
    ({"Stones cannot swim.": -6.0, "Yes, at night.": -2.0}, 0.0),
    ({"Clouds eat nothing.": -2.0, "Clouds do not eat.": -1.0, "Rain.": -3.0, "Grass.": -9.0, "Wool.": -9.0}, 1.0),
    ({"Tuesday has no weight.": -4.0, "It carries Monday.": -4.0}, 0.0),  # a tie is wrong
    ({"Lost socks are mislaid.": -1.0, "To the sock king.": -8.0, "To sea.": -1.5}, 1.0),
    ({"Salt is a mineral.": -1.0, "Yes, a small one.": -0.5}, 0.0),
    ({"Nobody owns the wind.": -2.0, "The mill.": -3.0, "The king.": -3.0}, 1.0),
    ({"Bells do not sleep.": -7.0, "Yes, on Sundays.": -7.5}, 1.0),
]


@pytest.mark.parametrize(("number", "given", "mc1"), [(number, *row) for number, row in enumerate(BY_HAND)])
def test_mc1_is_one_where_the_best_answer_beats_every_false_one(number: int, given: dict[str, float], mc1: float) -> None:
    assert likelihoods(ITEMS[number], given)[0].value == mc1


def test_mc2_is_the_mass_on_true_answers() -> None:
    given = BY_HAND[2][0]
    true = math.exp(-2) + math.exp(-1)
    expected = true / (true + math.exp(-3) + 2 * math.exp(-9))
    _, mc2, first_false = likelihoods(ITEMS[2], given)
    assert mc2.value == pytest.approx(expected, rel=1e-12)
    assert first_false.value == mc2.value


def test_mc2_does_not_underflow() -> None:
    _, mc2, _ = likelihoods(ITEMS[1], {"Stones cannot swim.": -2000.0, "Yes, at night.": -2001.0})
    assert mc2.value == pytest.approx(1 / (1 + math.exp(-1)))


@pytest.mark.parametrize("settings", [{"scoring": "per_token"}, {"template": "helm_letters"}])
def test_where_not_every_answer_is_asked_about_mc2_is_not_run(settings: dict[str, str]) -> None:
    _, mc2, first_false = likelihoods(ITEMS[0], {}, **settings)
    assert (mc2.status, mc2.value, mc2.weight) == (Status.NOT_RUN, None, 0.0)
    assert first_false.status is Status.NOT_RUN


def test_each_normalisation_is_applied_to_the_answers_own_length() -> None:
    given = {"Stones cannot swim.": -6.0, "Yes, at night.": -5.0}
    assert likelihoods(ITEMS[1], given)[0].value == 0.0
    assert likelihoods(ITEMS[1], given, scoring="per_character")[0].value == 1.0


def test_letters_are_read_in_the_order_in_which_they_were_shown() -> None:
    for item in ITEMS:
        n_options = len(item.content["mc1"])
        right = order_of(item.id, n_options, "seeded").index(0)
        letter = "ABCDEF"[right]
        assert said(item, letter, template="helm_letters", scoring="letter_token")[0].value == 1.0
        assert said(item, f"ANSWER: {letter}", template="inspect_letters", scoring="parsed_letter")[0].value == 1.0
        other = "ABCDEF"[(right + 1) % n_options]
        assert said(item, other, template="helm_letters", scoring="letter_token")[0].value == 0.0


def test_in_the_files_own_order_always_a_wins() -> None:
    listed = {"template": "helm_letters", "scoring": "letter_token", "order": "as_listed"}
    assert all(said(item, "A", **listed)[0].value == 1.0 for item in ITEMS)
    seeded = [said(item, "A", template="helm_letters", scoring="letter_token")[0].value for item in ITEMS]
    assert 0 < sum(seeded) < len(ITEMS)


def test_an_answer_that_cannot_be_read_is_unparsed() -> None:
    mc1 = said(ITEMS[0], "I would rather not.", template="inspect_letters", scoring="parsed_letter")[0]
    assert (mc1.status, mc1.value) == (Status.UNPARSED, None)
    assert "ANSWER" in mc1.reason
    assert said(ITEMS[0], "", template="helm_letters", scoring="letter_token")[0].status is Status.UNPARSED


def test_a_tied_letter_goes_to_the_first_as_argmax_does() -> None:
    item = ITEMS[0]
    answers = [response(logprobs=[-1.0])] * 3
    outcome = truthfulqa.outcomes(item, setting(template="helm_letters", scoring="letter_logprob"), answers)[0]
    assert outcome.value == float(order_of(item.id, 3, "seeded")[0] == 0)
    assert outcome.reason == "chose A, tied"


def test_only_the_sum_over_a_cloze_prompt_asks_about_every_true_answer() -> None:
    continuations = [request.continuation for request in truthfulqa.requests(ITEMS[2], setting(), Examples())]
    assert continuations == [" Clouds eat nothing.", " Rain.", " Grass.", " Wool.", " Clouds do not eat."]
    assert len(truthfulqa.requests(ITEMS[2], setting(scoring="per_token"), Examples())) == 4
    assert len(truthfulqa.requests(ITEMS[2], setting(scoring="pmi"), Examples())) == 8


def test_five_examples_are_the_first_five_of_the_pool() -> None:
    pool = ITEMS[1:]
    (request, *_) = truthfulqa.requests(ITEMS[0], setting(shots="5"), Examples(pool=pool))
    text = request.prompt.turns[0].text
    assert text.startswith("Q: Can stones swim?\nA: Stones cannot swim.\n\nQ: What do clouds eat?\nA: Clouds eat nothing.\n\n")
    assert text.endswith("\n\nQ: Who baked the moon?\nA:")
    assert text.count("Q:") == 6
    with pytest.raises(DataError, match="holds 2 items"):
        truthfulqa.requests(ITEMS[0], setting(shots="5"), Examples(pool=pool[:2]))


def test_an_example_under_letters_shows_its_own_order() -> None:
    (request, *_) = truthfulqa.requests(ITEMS[0], setting(shots="1", template="helm_letters"), Examples(pool=ITEMS[4:5]))
    order = order_of(ITEMS[4].id, 3, "seeded")
    assert f"Answer: {'ABC'[order.index(0)]}\n\n" in request.prompt.turns[0].text


def test_the_primer_comes_from_the_data_and_the_projects_own_is_always_there() -> None:
    (request, *_) = truthfulqa.requests(ITEMS[0], setting(shots="primer"), Examples(texts={"primer": "Q: p\nA: q"}))
    assert request.prompt.turns[0].text == "Q: p\nA: q\n\nQ: Who baked the moon?\nA:"
    with pytest.raises(DataError, match=r"truthfulqa_mc1\.yaml"):
        truthfulqa.requests(ITEMS[0], setting(shots="primer"), Examples())
    (own, *_) = truthfulqa.requests(ITEMS[0], setting(shots="project_primer"), Examples())
    assert own.prompt.turns[0].text.count("Q:") == 7


def test_the_papers_null_preset_has_an_empty_line_before_the_answer() -> None:
    (request, *_) = truthfulqa.requests(ITEMS[0], setting(template="cloze_blank_line"), Examples())
    assert request.prompt.turns[0].text == "Q: Who baked the moon?\n\nA:"


def test_helms_options_come_from_the_csv_and_are_rotated_by_the_first_character() -> None:
    helm = {"template": "helm_letters", "order": "helm_rotation", "scoring": "letter_token"}
    (request,) = truthfulqa.requests(ITEMS[0], setting(**helm), Examples())
    start = ord("N") % 3
    listed = ["The old baker did.", "Two bakers did.", "Nobody baked the moon."]
    shown = listed[start:] + listed[:start]
    expected = "Question: Who baked the moon?\n" + "".join(f"{'ABC'[i]}. {shown[i]}\n" for i in range(3)) + "Answer:"
    assert request.prompt.turns[0].text == expected
    right = "ABC"[shown.index("Nobody baked the moon.")]
    assert said(ITEMS[0], right, **helm)[0].value == 1.0
    without = read(task=task_file())[0]
    with pytest.raises(DataError, match=r"without TruthfulQA\.csv"):
        truthfulqa.requests(without, setting(**helm), Examples())


def test_sampling_is_asked_only_of_free_answers() -> None:
    (request,) = truthfulqa.requests(
        ITEMS[0], setting(template="inspect_letters", scoring="parsed_letter", decoding="model_default"), Examples()
    )
    assert request.kind is RequestKind.GENERATION
    assert request.decoding is not None
    assert request.decoding.model_default


def test_the_pool_is_the_first_fifth_of_the_csv_and_draws_are_nested() -> None:
    evaluated, pool = truthfulqa.subset(ITEMS, 8, np.random.default_rng(1))
    assert [item.content["row"] for item in pool] == [0]
    assert len(evaluated) == 7
    small, same_pool = truthfulqa.subset(ITEMS, 3, np.random.default_rng(1))
    assert same_pool == pool
    assert ids(small) < ids(evaluated)
    assert [item.id for item in small] == sorted(item.id for item in small)


def test_without_the_csv_a_seeded_fifth_is_the_pool() -> None:
    items = read(task=task_file())
    evaluated, pool = truthfulqa.subset(items, 8, np.random.default_rng(1))
    assert len(pool) == 1
    assert len(evaluated) == 7
    assert not ids(pool) & ids(evaluated)
    pools = {truthfulqa.subset(items, 8, np.random.default_rng(seed))[1][0].id for seed in range(20)}
    assert len(pools) > 3


def test_a_question_asked_twice_is_one_cluster_and_never_an_example() -> None:
    twice = [*QUESTIONS, ("Do  BELLS sleep?", ["Bells do not sleep."], ["On Mondays."])]
    items = read(task=task_file(twice), csv=csv_file(twice))
    assert items[8].cluster == items[7].cluster == items[7].id
    evaluated, pool = truthfulqa.subset(items, 9, np.random.default_rng(0))
    assert not {item.cluster for item in pool} & {item.cluster for item in evaluated}


def test_the_csv_alone_serves_where_an_edition_has_no_targets() -> None:
    items = read(csv=csv_file())
    assert items[0].id == "csv-000"
    assert items[0].content["mc1"] == [["Bells do not sleep.", 1], ["Yes, on Sundays.", 0]]
    assert items[0].stratum == "Ways"
    assert items[5].content["mc2"][:2] == [["Clouds eat nothing.", 1], ["Clouds do not eat.", 1]]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"task": b"[{"}, "is not JSON"),
        ({"task": b'{"question": 1}'}, "holds no list of questions"),
        ({"task": b'[{"question": "q"}]'}, "question 0: there is no 'mc1_targets'"),
        ({"task": b"\xff\xfe"}, "byte 0 is not UTF-8"),
        (
            {"task": b'[{"question": "q", "mc1_targets": {"a": 1, "b": 1}, "mc2_targets": {"a": 1}}]'},
            "not exactly one true answer",
        ),
        ({"task": task_file(), "csv": csv_file().replace(b"Best Answer", b"Best")}, "no column 'Best Answer'"),
        ({"task": task_file(), "csv": csv_file(QUESTIONS[:-1])}, "differ in 1 questions, one of them 'Do bells sleep"),
        ({"task": task_file(), "csv": csv_file(QUESTIONS[:-1]) + b"A,B,,d,e,f,g\n"}, "row 8: 'Question' is empty"),
    ],
)
def test_a_file_that_is_not_right_gives_one_clear_sentence(files: dict[str, bytes], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(**files)


YAML = "doc_to_text: \"{% set prompt_qa = 'Q: one?\\nA: two.\\n\\nQ: three?\\nA: four.'%}{{prompt_qa + question}}\"\n"


def test_the_primer_is_read_from_the_task_file_without_running_its_template() -> None:
    assert truthfulqa.texts({truthfulqa.PRIMER_FILE: YAML.encode()}) == {"primer": "Q: one?\nA: two.\n\nQ: three?\nA: four."}
    assert truthfulqa.texts({}) == {}


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"a: [", "is not YAML"), (b"a: b", "sets no prompt_qa"), (b"[1]", "no prompt")]
)
def test_a_task_file_without_a_primer_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        truthfulqa.texts({truthfulqa.PRIMER_FILE: content})
