"""In a real browser, what the page counts again is what Python counts, and the switches work for a keyboard and a screen reader."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import pytest

from render.made import ReadPage, card_of
from safetyrepro.card import GridCard
from safetyrepro.claims import parse_claim
from safetyrepro.gate import decide_realized
from safetyrepro.render import contest
from safetyrepro.render.page import card_page
from safetyrepro.render.view import Shown, shown_benchmarks
from safetyrepro.repair import part_of
from safetyrepro.scope import claim_scope
from safetyrepro.stats.flips import count_orders, flip_rates
from safetyrepro.stats.partial_order import robust_order
from safetyrepro.stats.rank import orderings_reached
from safetyrepro.stats.subcubes import maximal_subcubes
from safetyrepro.stats.witnesses import widest_witness

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
MODELS = ("one", "two", "three")
LEVELS = {"template": ("t1", "t2", "t3"), "shots": ("0", "5"), "scoring": ("sum", "mean", "letter")}
CLAIMS = (
    "everywhere",
    "in the core tier",
    "for the majority",
    "somewhere",
    "on average",
    "in the worst case",
    "whatever the configurations",
)
N_CHOICES = 1_000
Json = dict[str, Any]  # what the page says of itself


def rows_with_ties_and_gaps() -> list[tuple[str, ...]]:
    """Three models close to each other on eight items, so that scores tie, reverse and are missing."""
    draw = random.Random(11)
    rows = []
    for model, cell in itertools.product(MODELS, itertools.product(*LEVELS.values())):
        share, lost = draw.uniform(0.3, 0.7), draw.random() < 0.08
        for item in range(8):
            score = str(int(draw.random() < share))
            rows.append((model, "bench", *cell, f"i{item}", "" if lost else score, "not_run" if lost else ""))
    return rows


def with_decisions(card: GridCard) -> GridCard:
    """The card with a decision for each way to quantify a claim, some with a margin and conditions."""
    texts = [f"one > two on bench {phrase}" for phrase in CLAIMS]
    texts += [f"two >= three - 0.2 on bench {phrase}" for phrase in CLAIMS]
    texts += ["one >= three - 0.3 on bench everywhere where template=t1,t3", "three > one on bench somewhere where scoring=sum"]
    claims = [parse_claim(text) for text in texts]
    core = tuple(place % 3 == 0 for place in range(len(card.benchmarks[0].configurations)))
    card = with_core(card, core)
    return card.model_copy(update={"decisions": tuple(decide_realized(one, claim_scope(one, card.analysis)) for one in claims)})


def with_core(card: GridCard, core: tuple[bool, ...]) -> GridCard:
    """The card with another core tier."""
    name, result = next(iter(card.analysis.benchmarks.items()))
    pairs = tuple(
        replace(
            pair, configurations=tuple(replace(one, core=here) for one, here in zip(pair.configurations, core, strict=True))
        )
        for pair in result.pairs
    )
    analysis = replace(card.analysis, benchmarks={name: replace(result, pairs=pairs, core=core)})
    return card.model_copy(update={"analysis": analysis})


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> GridCard:
    header = ("model", "benchmark", *LEVELS, "item_id", "score", "status")
    return with_decisions(card_of(tmp_path_factory.mktemp("card"), rows_with_ties_and_gaps(), header=header))


@pytest.fixture(scope="module")
def entry(card: GridCard) -> Shown:
    return shown_benchmarks(card)[0]


@pytest.fixture(scope="module")
def page_file(card: GridCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "card.html"
    path.write_text(card_page(card), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    context = browser.new_context(offline=True)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(page_file.as_uri())
    yield opened
    context.close()
    assert said == []


def data_of(page_file: Path) -> Json:
    """The data block, as the script reads it."""
    read = ReadPage(page_file.read_text(encoding="utf-8"))
    data: Json = json.loads(next(text for tag, text in read.texts if tag == "script" and text.startswith("{")))
    return data


def random_choice(data: Json, draw: random.Random) -> tuple[list[str], list[int]]:
    """Keys of what is switched off, and the places that stay on."""
    envelope = data["envelopes"][0]
    levels = [(f, level) for f, factor in enumerate(envelope["factors"]) for level in range(len(factor["levels"]))]
    gone = {one for one in levels if draw.random() < 0.12}
    singles = {c for c in range(len(envelope["digests"])) if draw.random() < 0.15}
    named = [
        f"{envelope['name']}.{envelope['factors'][f]['name']}={envelope['factors'][f]['levels'][level]}" for f, level in gone
    ]
    keys = named + [f"{envelope['name']}@{envelope['digests'][c]}" for c in singles]
    members = enumerate(envelope["configurations"])
    on = [c for c, member in members if c not in singles and not gone & set(enumerate(member))]
    return keys or [f"{envelope['name']}@{envelope['digests'][0]}"], on if keys else on[1:]


def address(data: Json, keys: Sequence[str]) -> str:
    return "#choice&" + urlencode([("card", data["digest"]), *(("off", key) for key in keys)])


READ = """
hashes => hashes.map(hash => {
  history.replaceState(null, "", hash);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
  const value = (root, name) => { const e = root.querySelector(`data.${name}`); return e && e.value !== "null" ? Number(e.value) : null; };
  const pairs = [...document.querySelectorAll("[data-pair]")].map(article => {
    const box = article.querySelector(".chosen");
    const numbers = Object.fromEntries(["plus", "minus", "tie", "missing", "flip", "minority", "distinct"].map(name => [name, value(box, name)]));
    const widest = [...box.querySelectorAll(".widest [data-configuration]")].map(e => Number(e.dataset.configuration));
    const margins = [...box.querySelectorAll(".widest data")].map(e => Number(e.value));
    const parts = [...article.querySelectorAll(".parts li")].map(e => e.dataset.parts ? JSON.parse(e.dataset.parts) : null);
    return { pair: Number(article.dataset.pair), numbers, widest, margins, parts };
  });
  const together = document.querySelector(".together"), robust = together.querySelector(".robust");
  return {
    pairs,
    orderings: [...together.querySelectorAll("li")].map(e => [e.dataset.tiers.split(",").map(Number), Number(e.dataset.n)]),
    edges: robust && JSON.parse(robust.dataset.edges), first: robust && robust.dataset.first.split(",").map(Number),
    claims: [...document.querySelectorAll("[data-claim]")].map(e => e.querySelector(".chosen").dataset.decision),
  };
})
"""


def arrays_of(entry: Shown) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (models, configurations), which are known, and level numbers (configurations, factors)."""
    scores = [model.scores for model in entry.result.models]
    values = np.array([[0.0 if score is None else score for score in row] for row in scores])
    known = np.array([[score is not None for score in row] for row in scores])
    members = entry.result.configurations
    levels = np.array([[LEVELS[name].index(member[name]) for name in LEVELS] for member in members], dtype=np.int64)
    return values, known, levels


def expected_pair(arrays: tuple[np.ndarray, np.ndarray, np.ndarray], a: int, b: int, on: Sequence[int]) -> Json:
    """The definitions of `stats`, over a part of the envelope."""
    values, known, levels = (array[..., on] if array.ndim == 2 and i < 2 else array[on] for i, array in enumerate(arrays))
    both = known[a] & known[b]
    counts = count_orders(values[a], values[b], both)
    rates = flip_rates(counts)
    witness = widest_witness(values[a] - values[b], both, levels)
    signs = np.array([0 if sign is None else sign for sign in counts.signs])
    parts = [maximal_subcubes(signs == side, levels, limit=contest.MOST_BOXES) if len(on) else () for side in (1, -1)]
    return {
        "numbers": {
            "plus": counts.n_plus, "minus": counts.n_minus, "tie": counts.n_tie or None, "missing": counts.n_missing or None,
            "flip": rates.flip_rate, "minority": rates.minority_rate, "distinct": rates.flip_rate_distinct,
        },
        "widest": [on[witness.plus], on[witness.minus]] if witness else [],
        "margins": [witness.margin_plus, -witness.margin_minus] if witness else [],
        "parts": [[[on[c] for c in part.members] for part in found] if found is not None else None for found in parts],
    }  # fmt: skip


def test_on_a_thousand_parts_of_the_envelope_the_page_counts_what_python_counts(page: Page, page_file: Path, entry: Shown):
    data, draw, arrays = data_of(page_file), random.Random(5), arrays_of(entry)
    choices = [random_choice(data, draw) for _ in range(N_CHOICES)]
    told = page.evaluate(READ, [address(data, keys) for keys, _ in choices])
    place = {name: number for number, name in enumerate(MODELS)}
    seen = {"reversal": 0, "tie": 0, "missing": 0, "nothing": 0}
    for (_, on), shown in zip(choices, told, strict=True):
        for pair in shown["pairs"]:
            verdict = entry.result.pairs[pair["pair"]]
            expected = expected_pair(arrays, place[verdict.a], place[verdict.b], on)
            assert pair["numbers"] == pytest.approx(expected["numbers"], abs=1e-12)
            assert pair["margins"] == pytest.approx(expected["margins"], abs=1e-12)
            assert (pair["widest"], pair["parts"]) == (expected["widest"], expected["parts"])
            seen["reversal"] += bool(pair["widest"])
            seen["tie"] += bool(pair["numbers"]["tie"])
            seen["missing"] += bool(pair["numbers"]["missing"])
        seen["nothing"] += not on
        check_together(arrays, on, shown)
    assert min(seen["reversal"], seen["tie"], seen["missing"]) > 300
    assert seen["nothing"] > 0


def check_together(arrays: tuple[np.ndarray, np.ndarray, np.ndarray], on: Sequence[int], shown: Json) -> None:
    """Orderings with their frequencies, and the robust order."""
    values, known = arrays[0][:, on], arrays[1][:, on]
    reached = orderings_reached(values, known)
    expected = [
        [[tier for m in range(3) for tier, group in enumerate(one.tiers) if m in group], one.n_configurations]
        for one in reached.counts
    ]
    assert sorted(shown["orderings"]) == sorted(expected[:8]) if len(expected) <= 8 else len(shown["orderings"]) == 8
    assert [n for _, n in shown["orderings"]] == [n for _, n in expected[:8]]
    robust = robust_order(values, known)
    assert shown["edges"] == ([list(edge) for edge in robust.hasse_edges] if robust else None)
    assert shown["first"] == (list(robust.can_be_first) if robust else None)


def test_claims_are_decided_again_as_the_gate_decides_them(page: Page, page_file: Path, card: GridCard):
    data, draw = data_of(page_file), random.Random(7)
    choices = [random_choice(data, draw) for _ in range(300)]
    told = page.evaluate(READ, [address(data, keys) for keys, _ in choices])
    words: set[str] = set()
    for (_, on), shown in zip(choices, told, strict=True):
        for result, word in zip(card.decisions, shown["claims"], strict=True):
            scope = claim_scope(result.claim, card.analysis)
            kept = [place for place, index in enumerate(scope.indices) if index in on]
            expected = decide_realized(result.claim, part_of(scope, kept)).decision.value if kept else "UNDETERMINED"
            assert word == expected, result.claim.sentence
            words.add(word)
    assert words == {"HOLDS", "REFUTED", "UNDETERMINED"}


def test_the_static_parts_are_those_that_the_script_finds_in_the_whole_envelope(page: Page, page_file: Path):
    before = page.locator(".parts").all_inner_texts()
    data = data_of(page_file)
    page.evaluate(READ, [address(data, [f"bench@{data['envelopes'][0]['digests'][0]}"])])
    page.locator("#restore").click()
    assert page.locator(".parts").all_inner_texts() == before
    assert page.locator(".chosen:visible").count() == 0


def test_a_keyboard_alone_switches_a_level_off_and_the_change_is_announced(page: Page):
    page.locator(".board > summary").focus()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('label')?.textContent.trim() === 't2'"):
            break
    page.keyboard.press("Space")
    status = page.locator("#choice-text")
    assert (status.get_attribute("role"), status.get_attribute("aria-live")) == ("status", "polite")
    assert "bench: 12 of 18 configurations" in status.inner_text()
    assert "off=bench.template%3Dt2" in page.url
    page.keyboard.press("Space")
    assert status.inner_text() == ""
    assert page.url.endswith("#")


def test_an_address_brings_a_choice_back_and_says_what_it_cannot_apply(page: Page, page_file: Path):
    data = data_of(page_file)
    page.goto(page_file.as_uri() + address(data, ["bench.shots=5"]))
    page.reload()
    assert "bench: 9 of 18" in page.locator("#choice-text").inner_text()
    assert page.locator("#choice-note").inner_text() == ""
    page.goto(page_file.as_uri() + "#choice&card=00000000&off=bench.shots%3D9")
    note = page.locator("#choice-note").inner_text()
    assert "another card" in note
    assert "bench.shots=9" in note


def test_a_link_inside_the_page_keeps_the_choice(page: Page, page_file: Path):
    page.goto(page_file.as_uri() + address(data_of(page_file), ["bench.shots=5"]))
    page.locator('nav a[href="#limits"]').click()
    assert "choice" in page.url
    assert page.evaluate("document.activeElement.id") == "limits"


def test_what_is_off_is_faded_struck_out_and_named_under_the_pointer(page: Page, page_file: Path):
    page.goto(page_file.as_uri() + address(data_of(page_file), ["bench.shots=5"]))
    assert page.locator(".scores tr.off").count() == 9
    for group in page.locator("g.marks").all():
        assert group.locator("> .off").count() == 9
    mark = page.locator("g.marks > path").first
    mark.hover(force=True)
    assert re.search(
        r"template = t\d, shots = \d, scoring = \w+: (difference|not measured)", mark.locator("title").text_content() or ""
    )


def test_tables_of_pairs_follow_the_choice_and_come_back(page: Page, page_file: Path):
    before = page.locator(".matrix").inner_text(), page.locator(".pairs-table").inner_text()
    page.goto(page_file.as_uri() + address(data_of(page_file), ["bench.shots=5", "bench.template=t1", "bench.scoring=sum"]))
    first = page.locator(".pairs-table tbody tr").first.locator("td").all_inner_texts()
    assert sum(int(text) for text in first[2:6]) == 4
    assert (page.locator(".matrix").inner_text(), page.locator(".pairs-table").inner_text()) != before
    page.locator("#restore").click()
    assert (page.locator(".matrix").inner_text(), page.locator(".pairs-table").inner_text()) == before


def test_single_configurations_can_be_switched_one_by_one(page: Page):
    page.locator(".board > summary").click()
    page.locator(".singles > summary").click()
    page.locator(".singles input").first.uncheck()
    assert "17 of 18" in page.locator("#choice-text").inner_text()
    page.get_by_role("button", name="Core tier only").click()
    assert "6 of 18" in page.locator("#choice-text").inner_text()
    page.get_by_role("button", name="Switch all on").click()
    assert page.locator("#choice-text").inner_text() == ""


def test_no_other_script_may_run_on_the_page(browser: Browser, page_file: Path):
    page = browser.new_context(offline=True).new_page()
    page.goto(page_file.as_uri())
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); }"
    )
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_with_and_without_a_choice(browser: Browser, page_file: Path, scheme: Any, width: int):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python, which the tests' extra installs"
    )
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    opened = context.new_page()
    for choice in ("", address(data_of(page_file), ["bench.shots=5"])):
        opened.goto(page_file.as_uri() + choice)
        opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        found = axe.Axe().run(opened).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == []
    context.close()
