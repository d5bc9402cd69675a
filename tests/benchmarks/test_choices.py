"""Prompts are written byte for byte as the packages write them, and orders make no position lucky."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.benchmarks import choices
from safetyrepro.benchmarks.base import Examples
from safetyrepro.benchmarks.choices import Context, Question
from safetyrepro.errors import DataError
from safetyrepro.records import Item, Prefix, Prompt, RequestKind, Role

OWLS = Question(
    cloze="Q: When do owls sleep?\nA:",
    helm="Question: When do owls sleep?",
    inspect="When do owls sleep?",
    options=("By day", "By night"),
    answer=0,
)
SNOW = Question(
    cloze="Q: What is snow?\nA:",
    helm="Question: What is snow?",
    inspect="What is snow?",
    options=("Sand", "Water", "Salt"),
    answer=1,
)


def text_of(prompt: Prompt) -> str:
    assert len(prompt.turns) == 1
    return prompt.turns[0].text


def test_a_cloze_prompt_ends_where_the_answer_begins() -> None:
    assert text_of(choices.render("cloze", OWLS, Context())) == "Q: When do owls sleep?\nA:"


def test_examples_and_primer_stand_before_a_cloze_question_with_blank_lines() -> None:
    shown = choices.render("cloze", OWLS, Context(examples=(SNOW,), primer="Q: a\nA: b"))
    assert text_of(shown) == "Q: a\nA: b\n\nQ: What is snow?\nA: Water\n\nQ: When do owls sleep?\nA:"
    assert not shown.chat


def test_the_chat_form_of_a_cloze_prompt_is_the_same_text_in_one_user_turn() -> None:
    context = Context(examples=(SNOW,), primer="Q: a\nA: b")
    chat = choices.render("cloze_chat", OWLS, context)
    assert chat.chat
    assert chat.turns[0].role is Role.USER
    assert text_of(chat) == text_of(choices.render("cloze", OWLS, context))


def test_a_helm_prompt_joins_instructions_examples_and_question_as_helm_does() -> None:
    shown = choices.render("helm_letters", OWLS, Context(examples=(SNOW,), instructions="The following are questions."))
    assert text_of(shown) == (
        "The following are questions.\n"
        "\n"
        "Question: What is snow?\nA. Sand\nB. Water\nC. Salt\nAnswer: B\n"
        "\n"
        "Question: When do owls sleep?\nA. By day\nB. By night\nAnswer:"
    )


def test_the_single_letter_instruction_stands_in_front_of_the_others() -> None:
    shown = choices.render("helm_single_letter", OWLS, Context(instructions="The following are questions."))
    assert text_of(shown).startswith("Answer with only a single letter.\n\nThe following are questions.\n\nQuestion: When")
    bare = choices.render("helm_single_letter", OWLS, Context())
    assert text_of(bare).startswith("Answer with only a single letter.\n\nQuestion: When")


def test_an_inspect_prompt_names_the_letters_and_goes_through_the_chat_template() -> None:
    shown = choices.render("inspect_letters", OWLS, Context())
    assert shown.chat
    assert text_of(shown) == (
        "Answer the following multiple choice question. The entire content of your response should be of the following "
        "format: 'ANSWER: $LETTER' (without quotes) where LETTER is one of A,B.\n\nWhen do owls sleep?\n\n"
        "A) By day\nB) By night"
    )


def test_inspect_examples_are_turns_of_user_and_assistant() -> None:
    shown = choices.render("inspect_letters", OWLS, Context(examples=(SNOW,), primer="Q: a\nA: b"))
    assert [turn.role for turn in shown.turns] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert shown.turns[0].text.startswith("Q: a\nA: b\n\nAnswer the following")
    assert shown.turns[1].text == "ANSWER: B"


def test_braces_in_a_question_are_shown_as_they_stand() -> None:
    odd = Question(cloze="", helm="", inspect="What is {choices} in {letters}?", options=("{question}", "b"), answer=0)
    shown = text_of(choices.render("inspect_letters", odd, Context()))
    assert "What is {choices} in {letters}?\n\nA) {question}\nB) b" in shown


def test_a_plain_inspect_prompt_keeps_the_words_and_drops_the_template() -> None:
    shown = choices.render("inspect_letters_plain", OWLS, Context(examples=(SNOW,)))
    assert not shown.chat
    assert "\n\nANSWER: B\n\nAnswer the following" in text_of(shown)


@pytest.mark.parametrize("template", choices.TEMPLATES)
def test_every_template_obeys_prefix_and_examples(template: str) -> None:
    bare = choices.render(template, OWLS, Context())
    assert choices.render(template, OWLS, Context(prefix=Prefix.NONE)) != bare
    assert choices.render(template, OWLS, Context(examples=(SNOW,))) != bare
    assert choices.render(template, OWLS, Context(primer="Q: a\nA: b")) != bare


@pytest.mark.parametrize("template", choices.TEMPLATES)
def test_the_block_of_two_examples_begins_with_the_block_of_one(template: str) -> None:
    one = choices.render(template, OWLS, Context(examples=(SNOW,)))
    two = choices.render(template, OWLS, Context(examples=(SNOW, OWLS)))
    if len(one.turns) > 1:
        assert two.turns[:2] == one.turns[:2]
    else:
        shared = text_of(one)[: text_of(one).rindex("When do owls")]
        assert text_of(two).startswith(shared)


def test_an_unknown_template_is_a_misuse() -> None:
    with pytest.raises(ValueError, match="no template 'verse'"):
        choices.render("verse", OWLS, Context())


def test_a_question_without_an_answer_is_no_example() -> None:
    open_question = Question(cloze="a", helm="b", inspect="c", options=("d", "e"))
    with pytest.raises(ValueError, match="cannot be an example"):
        _ = open_question.right
    with pytest.raises(ValueError, match="cannot be an example"):
        _ = open_question.right_letter


@given(st.text(max_size=12), st.integers(1, 15), st.sampled_from(["as_listed", "seeded", "seeded_2"]))
def test_an_order_is_a_permutation_that_depends_on_nothing_else(item: str, n_options: int, level: str) -> None:
    order = choices.order_of(item, n_options, level)
    assert sorted(order) == list(range(n_options))
    assert choices.order_of(item, n_options, level) == order


def test_the_listed_order_is_the_files() -> None:
    assert choices.order_of("i7", 4, "as_listed") == (0, 1, 2, 3)


def test_whoever_always_answers_a_is_right_as_often_as_chance() -> None:
    first = Counter(choices.order_of(f"item-{number}", 4, "seeded")[0] for number in range(4000))
    assert all(900 < first[index] < 1100 for index in range(4))


def test_levels_of_order_are_different_permutations() -> None:
    orders = {choices.order_of("item-1", 6, level) for level in ("seeded", "seeded_2", "seeded_3")}
    assert len(orders) == 3


def test_reordering_takes_the_right_answer_along() -> None:
    shown = choices.reordered(SNOW, (2, 0, 1))
    assert shown.options == ("Salt", "Sand", "Water")
    assert shown.right == "Water"
    assert shown.right_letter == "C"


def test_a_continuation_begins_with_a_space_except_where_a_package_drops_it() -> None:
    plain, chat = choices.render("cloze", OWLS, Context()), choices.render("cloze_chat", OWLS, Context())
    assert choices.delimited("x", plain, "space") == " x"
    assert choices.delimited("x", chat, "space") == " x"
    assert choices.delimited("x", plain, "space_outside_chat") == " x"
    assert choices.delimited("x", chat, "space_outside_chat") == "x"
    assert choices.delimited("x", plain, "none") == choices.delimited("x", chat, "none") == "x"
    with pytest.raises(ValueError, match="no delimiter 'tab'"):
        choices.delimited("x", plain, "tab")
    with pytest.raises(ValueError, match="no delimiter 'tab'"):
        choices.delimited("x", chat, "tab")


def test_rules_over_options_share_their_requests() -> None:
    prompt = choices.render("cloze", OWLS, Context())
    asked = choices.requests_for("sum", prompt, OWLS.options)
    assert [request.continuation for request in asked] == [" By day", " By night"]
    for scoring in ("per_character", "per_token", "per_byte"):
        assert choices.requests_for(scoring, prompt, OWLS.options) == asked
    assert choices.requests_for("pmi", prompt, OWLS.options)[:2] == asked


def test_the_unconditional_term_stands_after_the_first_token_alone_and_without_the_space() -> None:
    prompt = choices.render("cloze", OWLS, Context(examples=(SNOW,)))
    older = choices.requests_for("pmi", prompt, OWLS.options)[2:]
    newer = choices.requests_for("pmi_spaced", prompt, OWLS.options)[2:]
    assert [request.continuation for request in older] == ["By day", "By night"]
    assert [request.continuation for request in newer] == [" By day", " By night"]
    assert {request.prompt for request in (*older, *newer)} == {Prompt.plain("", prefix=Prefix.BOS)}


def test_letter_rules_ask_for_letters_or_for_one_token() -> None:
    prompt = choices.render("helm_letters", SNOW, Context())
    asked = choices.requests_for("letter_logprob", prompt, SNOW.options)
    assert [request.continuation for request in asked] == [" A", " B", " C"]
    (one,) = choices.requests_for("letter_token", prompt, SNOW.options)
    assert one.kind is RequestKind.GENERATION
    assert one.decoding == choices.ONE_TOKEN
    (free,) = choices.requests_for("parsed_letter", prompt, SNOW.options)
    assert free.decoding == choices.PARSED


def test_an_unknown_rule_is_a_misuse() -> None:
    with pytest.raises(ValueError, match="no scoring rule 'vibes'"):
        choices.requests_for("vibes", choices.render("cloze", OWLS, Context()), OWLS.options)


def test_only_twenty_six_options_have_a_letter() -> None:
    assert choices.letters(3) == ("A", "B", "C")
    with pytest.raises(ValueError, match="26 options"):
        choices.letter(26)


def test_a_pool_that_is_too_short_is_refused_with_the_way_out() -> None:
    pool = (Item(id="a", cluster="a"), Item(id="b", cluster="b"))
    assert choices.shown_items("1", Examples(pool=pool), benchmark="x") == pool[:1]
    assert choices.shown_items("primer", Examples(), benchmark="x") == ()
    with pytest.raises(DataError, match="holds 2 items; expected at least 5"):
        choices.shown_items("5", Examples(pool=pool), benchmark="x")


def test_an_absent_text_names_its_file() -> None:
    assert choices.fixed_text("primer", Examples(texts={"primer": "t"}), benchmark="x", file="f.yaml") == "t"
    with pytest.raises(DataError, match=r"f\.yaml"):
        choices.fixed_text("primer", Examples(), benchmark="x", file="f.yaml")


def test_sampled_answers_have_a_seed_of_the_item() -> None:
    one = choices.decoding_of("model_default", item_id="a", max_tokens=4)
    assert one == choices.decoding_of("model_default", item_id="a", max_tokens=4)
    assert one.model_default
    assert one.seed != choices.decoding_of("model_default", item_id="b", max_tokens=4).seed
    assert choices.decoding_of("greedy", item_id="a", max_tokens=4).seed is None
    with pytest.raises(ValueError, match="no decoding 'beam'"):
        choices.decoding_of("beam", item_id="a", max_tokens=4)


def test_reasoning_gets_more_room_than_a_letter() -> None:
    assert choices.answer_tokens("inspect_reasoning") > choices.answer_tokens("inspect_letters")
