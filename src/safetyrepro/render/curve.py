"""The specification curve: every configuration of a pair, sorted by the difference, above the settings that made it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from safetyrepro.inference import BandPoint
from safetyrepro.render.svg import (
    CLASSES,
    TITLES_UP_TO,
    configuration_note,
    counts_note,
    drawing,
    element,
    joined,
    label,
)
from safetyrepro.render.text import inert
from safetyrepro.verdicts import ConfigurationVerdict, Order, Verdict

WIDTH = 960.0
NARROWEST = 300.0
LEFT = 165.0
LEAST_LEFT = 64.0
LETTER = 6.8
WIDEST_STEP = 26.0
RIGHT = 14.0
TOP = 26.0
PANEL = 210.0
ROW = 15.0
MAX_LEVEL_ROWS = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """Where things lie: columns for configurations, a scale for differences."""

    entries: tuple[ConfigurationVerdict, ...]
    """Configurations in the order of their columns: known ones by difference, then missing ones."""
    left: float
    """Left edge of the first column; labels stand before it."""
    step: float
    """Width of a column."""
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    """The factors that vary, each with its levels, in the order of the envelope."""
    intervals: Mapping[str, BandPoint]
    """Simultaneous interval of a configuration, by its digest."""
    low: float
    """Difference at the lower edge of the panel."""
    high: float
    """Difference at its upper edge."""

    @property
    def right(self) -> float:
        """Right edge of the last column."""
        return self.left + self.step * len(self.entries)

    def x(self, column: int) -> float:
        """Middle of a column."""
        return self.left + self.step * (column + 0.5)

    def y(self, difference: float) -> float:
        """Height of a difference; smaller is higher on the page."""
        return TOP + PANEL * (self.high - difference) / (self.high - self.low)


def specification_curve(
    verdict: Verdict, identity: str, *, band: Sequence[BandPoint | None] = (), factors: Sequence[str] = ()
) -> Markup:
    """Draw a pair over its envelope.

    Parameters
    ----------
    verdict : Verdict
        The pair.
    identity : str
        Unique on the page.
    band : sequence of BandPoint or None
        Simultaneous interval of each configuration, in the envelope's order; empty where there is none.
    factors : sequence of str
        Order of the factors' rows; those that are not named come last.

    Returns
    -------
    Markup
        An SVG element: triangles up where A is ahead, down where B is, squares for ties, rings for missing cells. With a band,
        a mark is hollow where its interval holds zero.
    """
    frame = make_frame(verdict, band, factors)
    strips, height = _strips(frame)
    marks = joined(_mark(frame, column, entry) for column, entry in enumerate(frame.entries))
    content = _panel(frame, verdict) + marks + strips
    about = (
        f"Differences in score, sorted; above zero {verdict.a} is ahead, below zero {verdict.b}. {counts_note(verdict)} "
        "The rows below mark the level of each factor. The table of configurations holds the same numbers."
    )
    return drawing(
        identity,
        (max(frame.right + RIGHT, NARROWEST), height),
        title=f"Specification curve: {verdict.a} against {verdict.b}",
        about=about,
        content=content,
    )


def make_frame(verdict: Verdict, band: Sequence[BandPoint | None] = (), order: Sequence[str] = ()) -> Frame:
    """Columns and scale of a pair's curve."""
    known = sorted(
        (entry for entry in verdict.configurations if entry.difference is not None),
        key=lambda entry: (entry.difference or 0.0, entry.digest),
    )
    missing = [entry for entry in verdict.configurations if entry.difference is None]
    intervals = {entry.digest: point for entry, point in zip(verdict.configurations, band, strict=False) if point is not None}
    differences = [entry.difference or 0.0 for entry in known]
    differences += [end for point in intervals.values() for end in (point.low, point.high)]
    largest = max((abs(difference) for difference in differences), default=0.0) or 1.0
    low, high = min([0.0, *differences]), max([0.0, *differences])
    entries = tuple(known + missing)
    factors = varied(verdict.configurations, order)
    longest = max((len(level) for _, levels in factors for level in levels), default=0)
    left = max(LEAST_LEFT, min(LEFT, 16 + LETTER * longest))
    step = min(WIDEST_STEP, (WIDTH - left - RIGHT) / max(len(entries), 1))
    return Frame(entries, left, step, factors, intervals, low - 0.12 * largest, high + 0.12 * largest)


def tick_values(low: float, high: float, n_ticks: int = 5) -> list[float]:
    """Round values in [low, high], about `n_ticks` of them, zero among them."""
    rough = (high - low) / n_ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _panel(frame: Frame, verdict: Verdict) -> Markup:
    right = frame.right
    parts = []
    for value in tick_values(frame.low, frame.high):
        y = frame.y(value)
        parts.append(element("line", {"x1": frame.left, "x2": right, "y1": y, "y2": y, "class": "grid"}))
        parts.append(label(frame.left - 8, y + 4, f"{value:+.3g}" if value else "0", anchor="end", style="tick"))
    zero = frame.y(0.0)
    parts.append(element("line", {"x1": frame.left, "x2": right, "y1": zero, "y2": zero, "class": "axis"}))
    if verdict.n_plus:
        parts.append(label(0, TOP - 10, f"▲ {inert(verdict.a, 60)} ahead", style="side-a"))
    if verdict.n_minus:
        parts.append(label(0, TOP + PANEL + 14, f"▼ {inert(verdict.b, 60)} ahead", style="side-b"))
    return joined(parts)


def _mark(frame: Frame, column: int, entry: ConfigurationVerdict) -> Markup:
    x, y = frame.x(column), frame.y(entry.difference if entry.difference is not None else 0.0)
    point = frame.intervals.get(entry.digest)
    title = element("title", {}, configuration_note(entry)) if len(frame.entries) <= TITLES_UP_TO else Markup("")
    settled = point is None or not point.low <= 0 <= point.high
    shape = _shape(entry, x, y, radius=max(1.4, min(6.0, frame.step * 0.42)), settled=settled, title=title)
    if point is None:
        return shape
    ends = {"x1": x, "x2": x, "y1": frame.y(point.low), "y2": frame.y(point.high)}
    return element("line", ends | {"class": f"whisker {CLASSES[entry.order]}"}) + shape


def _shape(entry: ConfigurationVerdict, x: float, y: float, *, radius: float, settled: bool, title: Markup) -> Markup:
    style = CLASSES[entry.order] if settled else f"{CLASSES[entry.order]} hollow"
    if entry.order is Order.MISSING:
        return element("circle", {"cx": x, "cy": y, "r": radius * 0.8, "class": style}, title)
    if entry.order is Order.TIE:
        half = radius * 0.8
        return element("rect", {"x": x - half, "y": y - half, "width": 2 * half, "height": 2 * half, "class": style}, title)
    tip = -radius if entry.order is Order.A_AHEAD else radius
    path = f"M{x:.1f} {y + tip:.1f}l{radius:.1f} {-1.7 * tip:.1f}h{-2 * radius:.1f}z"
    return element("path", {"d": path, "class": style}, title)


def _strips(frame: Frame) -> tuple[Markup, float]:
    """The rows of levels below the panel, and the height of the whole drawing."""
    y = TOP + PANEL + 34
    parts, n_rows = [], 0
    for factor, levels in frame.factors:
        if n_rows + len(levels) > MAX_LEVEL_ROWS:
            parts.append(label(0, y + 10, "further factors: see the table of configurations", style="tick"))
            y += ROW
            break
        parts.append(label(0, y + 10, inert(factor, 28), style="factor"))
        y += ROW
        for level in levels:
            parts.append(_level_row(frame, factor, level, y))
            y += ROW
        y += 4
        n_rows += len(levels)
    return joined(parts), y + 4


def varied(entries: Sequence[ConfigurationVerdict], order: Sequence[str] = ()) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Factors with more than one level among configurations, in a given order, each with its levels by first occurrence."""
    levels: dict[str, dict[str, None]] = {factor: {} for factor in order}
    for entry in entries:
        for factor, level in entry.settings.items():
            levels.setdefault(factor, {}).setdefault(level)
    return tuple((factor, tuple(names)) for factor, names in levels.items() if len(names) > 1)


def _level_row(frame: Frame, factor: str, level: str, y: float) -> Markup:
    paths: dict[str, list[str]] = {}
    width = max(1.0, frame.step * 0.72)
    for column, entry in enumerate(frame.entries):
        if entry.settings.get(factor) == level:
            x = frame.x(column) - width / 2
            paths.setdefault(CLASSES[entry.order], []).append(f"M{x:.1f} {y + 2:.1f}h{width:.1f}v9h{-width:.1f}z")
    rule = element("line", {"x1": frame.left, "x2": frame.right, "y1": y + 6.5, "y2": y + 6.5, "class": "grid"})
    ticks = joined(element("path", {"d": "".join(pieces), "class": style}) for style, pieces in paths.items())
    return label(frame.left - 8, y + 10, inert(level, 23), anchor="end", style="tick") + rule + ticks
