"""Logs whose every text is hostile become a card that shows them as text, whatever reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import Result
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from harnesses import written
from render.made import ReadPage
from safetyrepro.cli import app
from safetyrepro.gate import decide, exit_code
from safetyrepro.opened import open_results
from safetyrepro.render.decisions import FORMATS, Decided, decisions_badge
from safetyrepro.verdicts import Claim, Quantifier

EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`",
    "[x](javascript:alert(1)) ![x](https://evil.example/x.png) <https://evil.example>",
    "{{ 7*7 }}{% raw %}{# gone #} ${7*7}",
    "| cell |\n# head\n```\n---\n::error::caught %0A",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\x1b[31mred\x9b31m\x07\r",
    "\u202eright to left\u2066\u200f",
)
HUGE = "</script>\u202e\x1b[1m" + "x" * 1_000_000
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters other than tab and line feed, and marks that turn the direction of reading."""


def evil(number: int, word: str) -> str:
    """A hostile name; different words give different names."""
    return f"{word} {EVIL[number % len(EVIL)]}"


def inspect_logs(folder: Path) -> None:
    """Two models under two scorers; every text that a log can hold is hostile, and answers are a megabyte long."""
    for m, model in enumerate((evil(0, "first"), evil(4, "second"))):
        long = [HUGE, *(evil(number, "text") for number in range(1, 6))]
        scorers = (evil(1, "one"), evil(5, "two"), evil(2, "three"))
        samples = [
            {
                "id": evil(number, f"item {number}"),
                "epoch": 1,
                "input": long[number],
                "choices": list(EVIL),
                "target": EVIL[0],
                "messages": [
                    {"role": "user", "content": long[number]},
                    {"role": "assistant", "content": evil(number, "answer")},
                ],
                "output": {"choices": [{"message": {"role": "assistant", "content": long[number]}}]},
                "scores": {
                    scorer: {"value": "C" if (number + s + m) % 2 or number < m + s else "I", "answer": long[number]}
                    for s, scorer in enumerate(scorers)
                },
            }
            for number in range(6)
        ]
        log = written.inspect_log(samples=samples)
        log["eval"] |= {"task": evil(3, "task"), "model": model, "dataset": {"name": HUGE}, "packages": {"inspect_ai": EVIL[4]}}
        log["plan"]["steps"] = [{"solver": evil(2, "solver"), "params": {"template": HUGE}}]
        log["results"]["scores"] = []
        (folder / f"log{m}.json").write_text(json.dumps(log))


def lm_eval_files(folder: Path) -> None:
    """Two models; filters, arguments, questions and answers are hostile."""
    for m, model in enumerate((evil(0, "first"), evil(4, "second"))):
        (folder / str(m)).mkdir()
        task = {f"acc,{evil(1, 'one')}": 0.75 - m / 2, f"acc,{evil(3, 'two')}": 0.25 + m / 2, f"acc,{HUGE}": 0.5}
        written.lm_eval_results(
            folder / str(m),
            results={evil(2, "toy"): task},
            configs={evil(2, "toy"): {"doc_to_text": HUGE, "description": EVIL[0], "output_type": EVIL[2]}},
            group_subtasks={},
            groups={},
            model_name=model,
            config={"model": EVIL[4], "model_args": f"pretrained={model},dtype={EVIL[5]}"},
            lm_eval_version=EVIL[1],
            higher_is_better={},
        )


MAKERS = {"inspect": inspect_logs, "lm-eval": lm_eval_files}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "100"})


@pytest.fixture(scope="module", params=sorted(MAKERS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and its card, made by the commands from hostile files."""
    tmp_path = tmp_path_factory.mktemp("hostile")
    (tmp_path / "logs").mkdir()
    MAKERS[request.param](tmp_path / "logs")
    for arguments in (
        ("ingest", request.param, tmp_path / "logs", "-o", tmp_path / "store"),
        ("card", tmp_path / "store", "-o", tmp_path / "card"),
        ("analyze", tmp_path / "store", "--full", "--draws", 200),
    ):
        done = call(*arguments)
        assert done.exit_code == 0, (done.output[-2000:], done.exception)
        check_terminal(done.output)
    return tmp_path


def check_terminal(output: str) -> None:
    assert not STEERING.search(output)
    assert len(output) < 200_000


def names(folder: Path) -> tuple[str, str, str]:
    card = json.loads((folder / "card" / "card.json").read_bytes())
    name, result = next(iter(card["analysis"]["benchmarks"].items()))
    first, second = (model["name"] for model in result["models"])
    return name, first, second


def test_the_page_holds_no_element_that_a_log_wrote(made: Path):
    text = (made / "card" / "card.html").read_text(encoding="utf-8")
    page = ReadPage(text)

    assert page.faults == []
    assert page.named("img") == []
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    links = [attributes.get("href", "") for _, attributes in page.tags] + [
        attributes.get("src", "") for _, attributes in page.tags
    ]
    assert not any("javascript:" in link or "evil.example" in link for link in links)
    assert not re.search(r"<script[^>]*>\s*alert", text)
    assert not STEERING.search(text)
    assert len(text) < 1_500_000
    assert "first </script><script>alert(1)</script>" in page.text()


def test_the_markdown_renders_to_text_only(made: Path):
    text = (made / "card" / "card.md").read_text(encoding="utf-8")
    page = ReadPage(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    assert {tag for tag, _ in page.tags} <= {
        *("h1", "h2", "h3", "p", "strong", "ul", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "br"),
    }
    assert not STEERING.search(text)
    assert len(text) < 300_000
    assert "first </script><script>alert(1)</script>" in page.text()


@pytest.mark.parametrize("form", ["text", "json", "github", "junit"])
def test_the_gate_is_inert_in_every_format(made: Path, form: str):
    name, first, second = names(made)
    held = open_results(made / "card")
    wanted = [
        Claim(a=first, b=second, benchmark=name, quantifier=quantifier, say=HUGE)
        for quantifier in (Quantifier.EVERYWHERE, Quantifier.SOMEWHERE, Quantifier.DOMINANCE)
    ]
    results = decide(wanted, held.analysis, held.tester, run_again=held.run_again)
    decided = Decided(results=results, changes=(), source=EVIL[4], exit_code=exit_code(results))
    output, badge = FORMATS[form](decided), decisions_badge(decided)

    assert not STEERING.search(output)
    assert not any(line.startswith("::error::caught") for line in output.splitlines())
    if form == "github":
        assert len(output.splitlines()) == len(wanted)
    if form == "junit":
        assert ET.fromstring(output).findall(".//script") == []
    if form == "json":
        assert json.loads(output)["version"] == 1
    assert {element.tag.rpartition("}")[2] for element in ET.fromstring(badge).iter()} <= {"svg", "title", "rect", "g", "text"}


def test_both_verifiers_and_what_a_hub_reads_are_inert(made: Path):
    done = call("verify", made / "card", "--store", made / "store")
    alone = subprocess.run(
        [sys.executable, "-I", "-S", made / "card" / "verify.py", made / "card"], capture_output=True, text=True, check=False
    )

    assert (done.exit_code, alone.returncode) == (0, 0), (done.output, alone.stdout)
    metadata = (made / "card" / "model-card-metadata.yaml").read_text(encoding="utf-8")
    for output in (done.output, alone.stdout, alone.stderr, metadata):
        assert not STEERING.search(output)
    assert len(list(yaml.safe_load_all(metadata))) == 2
