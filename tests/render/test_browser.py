"""In a real browser: the first screen answers, no request leaves the page, nothing complains, a phone needs no sideways scroll."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from render.made import card_of, random_rows
from safetyrepro.render.page import card_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three models with a reversal, long names and missing cells."""
    folder = tmp_path_factory.mktemp("page")
    models = ("organization/a-long-model-name-7B-Instruct-v0.3", "two", "three")
    rows = random_rows(models=models, levels=[f"level-{i}" for i in range(24)], n_items=60, seed=3, missing=0.02)
    path = folder / "card.html"
    path.write_text(card_page(card_of(folder, rows, draws=100)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


class Opened:
    """A page with everything that it asked for and said."""

    def __init__(self, browser: Browser, file: Path, width: str, *, scheme: str = "light", script: bool = True) -> None:
        size = {"width": WIDTHS[width][0], "height": WIDTHS[width][1]}
        context = browser.new_context(viewport=size, offline=True, color_scheme=scheme, java_script_enabled=script)
        self.requests: list[str] = []
        self.said: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(file.as_uri())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_request_leaves_the_page_and_the_console_is_silent(browser: Browser, page_file: Path, width: str):
    opened = Opened(browser, page_file, width)
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert opened.said == []


@pytest.mark.parametrize("width", WIDTHS)
def test_question_and_verdict_are_inside_the_first_screen(browser: Browser, page_file: Path, width: str):
    page = Opened(browser, page_file, width).page
    for selector in ("h1", "#verdict", "#headline li >> nth=0"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert 0 <= box["y"] < box["y"] + box["height"] <= WIDTHS[width][1]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_itself_never_scrolls_sideways(browser: Browser, page_file: Path, width: str):
    page = Opened(browser, page_file, width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]


def test_everything_is_there_without_script(browser: Browser, page_file: Path):
    page = Opened(browser, page_file, "desk", script=False).page
    assert page.locator("article.pair svg").count() > 0
    assert page.locator("#provenance").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_in_dark(browser: Browser, page_file: Path, scheme: str):
    page = Opened(browser, page_file, "desk", scheme=scheme).page
    ratios = page.evaluate(CONTRAST)
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


def test_every_part_that_scrolls_can_be_reached_by_keyboard(browser: Browser, page_file: Path):
    page = Opened(browser, page_file, "phone").page
    unreachable = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0).length"
    )
    assert unreachable == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the verdicts"


def test_printing_shows_what_is_folded_away(browser: Browser, page_file: Path):
    page = Opened(browser, page_file, "desk").page
    folded = page.locator("details:not([open]) table").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.bounding_box()["height"] > 100


CONTRAST = """
() => {
  const light = c => { const v = c / 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const found = {};
  for (const selector of ["body", "p.soft", ".tag", ".answer strong", ".answer p", "summary", "nav a", "caption", ".legend li", ".tag.reversal", ".matrix .turned", "dt"]) {
    const e = document.querySelector(selector);
    if (!e) continue;
    const [a, b] = [luminance(rgb(getComputedStyle(e).color)), luminance(behind(e))];
    found[selector] = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  }
  return found;
}
"""
