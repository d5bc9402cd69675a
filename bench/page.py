"""How long the page of a 612-cell card takes to open in headless Chromium, and to count again after a switch.

    python bench/page.py [--page NAME=CARD.html] [--times 7] [--out bench/results/page.json]

Cards are made from invented scores by the commands that a user has: three models under 4 x 48 + 12 configurations, and fifteen models
under 48; --page adds one. Each opening is a new context of one browser, without a network; it ends when the page is loaded, its script
has run and a frame was drawn. The reference, in the same run and alternating with it, is a page of the same number of bytes that is one
paragraph of text without style or script. A switch ends when a frame is drawn after the first level of the first factor was switched off.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import machine

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FULL = {"template": 4, "decoding": 2, "shots": 3, "scoring": 2}
SMALL = {"template": 4, "scoring": 3}
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
SWITCH = """
() => new Promise(done => {
  const start = performance.now(), box = document.querySelector("details.board input[type=checkbox]");
  box.click();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})
"""


def rows(models: int, benchmarks: Sequence[tuple[str, dict[str, int]]], items: int) -> Iterator[tuple[str, ...]]:
    """A tidy table of invented scores; what a benchmark does not vary has one level."""
    draw = random.Random(7)
    for (benchmark, factors), model in itertools.product(benchmarks, range(models)):
        for members in itertools.product(*(range(factors.get(name, 1)) for name in FULL)):
            share = 0.45 + 0.02 * (model % 3) + draw.uniform(-0.08, 0.08)
            levels = [f"{name} {level}" for name, level in zip(FULL, members, strict=True)]
            for item in range(items):
                yield f"model {model + 1}", benchmark, *levels, f"i{item}", str(int(draw.random() < share))


def make_page(folder: Path, models: int, benchmarks: Sequence[tuple[str, dict[str, int]]]) -> Path:
    """The page that `ingest table` and `card` make."""
    table, store, card = folder / "rows.csv", folder / "store", folder / "card"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("model", "benchmark", *FULL, "item_id", "score"))
        writer.writerows(rows(models, benchmarks, 24))
    for command in (("ingest", "table", str(table), "--out", str(store)), ("card", str(store), "-o", str(card))):
        subprocess.run([sys.executable, "-m", "safetyrepro", *command], check=True, capture_output=True)
    return card / "card.html"


def opened(browser: Browser, page: Path, *, switch: bool) -> tuple[float, float | None]:
    """Seconds to open a page, and to count again after a switch."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    start = time.perf_counter()
    tab.goto(page.as_uri(), wait_until="load")
    tab.evaluate(DRAWN)
    seconds = time.perf_counter() - start
    switched = tab.evaluate(SWITCH) / 1000 if switch else None
    context.close()
    return seconds, switched


def measure(browser: Browser, page: Path, folder: Path, times: int) -> dict[str, Any]:
    """Medians over several openings of the page and of its reference, in turn."""
    size = page.stat().st_size
    plain = folder / "plain.html"
    plain.write_text(f"<!doctype html><title>plain</title><p>{'word ' * (size // 5)}</p>", encoding="utf-8")
    opened(browser, page, switch=False)
    found = [(opened(browser, page, switch=True), opened(browser, plain, switch=False)[0]) for _ in range(times)]
    seconds = statistics.median(one for (one, _), _ in found)
    reference = statistics.median(one for _, one in found)
    return {
        "bytes": size,
        "open_s": round(seconds, 3),
        "slowest_s": round(max(one for (one, _), _ in found), 3),
        "plain_page_s": round(reference, 3),
        "ratio": round(seconds / reference, 2),
        "switch_s": round(statistics.median(one for (_, one), _ in found if one is not None), 3),
    }


def main() -> None:
    """Measure, print and write JSON."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--page", action="append", default=[], metavar="NAME=CARD.html", help="a page to measure; may be repeated"
    )
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        scratch = Path(name)
        grids = {
            "612 cells of 3 models": (3, [*((f"benchmark {n}", FULL) for n in range(1, 5)), ("benchmark 5", SMALL)]),
            "720 cells of 15 models": (15, [("benchmark", FULL)]),
        }
        pages = {}
        for title, (models, benchmarks) in grids.items():
            folder = scratch / title.replace(" ", "-")
            folder.mkdir()
            pages[title] = make_page(folder, models, benchmarks)
        pages |= {name: Path(page) for name, _, page in (given.partition("=") for given in options.page)}
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        measured = {title: measure(browser, page, scratch, options.times) for title, page in pages.items()}
        result = {"chromium": browser.version, "times": options.times, "pages": measured, "machine": machine()}
        browser.close()
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
