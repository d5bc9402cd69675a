"""An empty system turn means no system prompt, whatever the chat template does with one."""

from __future__ import annotations

import pytest

from safetyrepro.backends.encoding import MARK, Encoder
from safetyrepro.backends.replay import ScriptedBackend
from safetyrepro.records import Decoding, Prompt, Request, Role, Turn
from tiny_checkpoints import write_tokenizer

pytestmark = pytest.mark.model

PLAIN = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPEAKING = "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are the harbour.<|im_end|>\n{% endif %}" + PLAIN
REFUSING = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + PLAIN
IN_FRONT = (
    "{% set ns = namespace(system='') %}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{% set ns.system = message['content'] + '\n\n' %}{% else %}[INST] {{ ns.system }}{{ message['content'] }}[/INST]"
    "{% endif %}{% endfor %}"
)
DEAF = "{% for message in messages %}{% if message['role'] != 'system' %}U: {{ message['content'] }}\n{% endif %}{% endfor %}A:"

USER = Turn(Role.USER, "Is the boat in?")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    from transformers import AutoTokenizer

    def render(template, *turns):
        folder = tmp_path_factory.mktemp("tokenizer")
        write_tokenizer(folder, bos=True, template=template)
        encoder = Encoder(
            AutoTokenizer.from_pretrained(folder), ScriptedBackend("m", len).identity, max_length=64, generation=None
        )
        request = Request(prompt=Prompt(turns=turns, chat=True), decoding=Decoding(max_tokens=4))
        (one,) = encoder.encode([request])
        return one.refusal or one.text

    return render


def test_what_a_template_says_by_itself_is_taken_out(rendered):
    assert "You are the harbour." in rendered(SPEAKING, USER)
    assert rendered(SPEAKING, Turn(Role.SYSTEM, ""), USER) == (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nIs the boat in?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("template", [PLAIN, REFUSING, IN_FRONT, DEAF], ids=["plain", "refusing", "in front", "deaf"])
def test_a_template_that_says_nothing_by_itself_shows_no_trace_of_the_empty_turn(rendered, template):
    silent = rendered(template, Turn(Role.SYSTEM, ""), USER)
    assert silent == rendered(template, USER)
    assert MARK not in silent


def test_a_system_prompt_that_says_something_is_shown_or_refused(rendered):
    spoken = Turn(Role.SYSTEM, "Be brief.")
    assert rendered(IN_FRONT, spoken, USER) == "[INST] Be brief.\n\nIs the boat in?[/INST]"
    assert "refuses this conversation" in rendered(REFUSING, spoken, USER)
