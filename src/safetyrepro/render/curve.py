"""The specification curve: every configuration of a pair, sorted by the difference, above the settings that made it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from safetyrepro.inference import BandPoint
from safetyrepro.render.svg import CLASSES, counts_note, drawing, element, joined, label, short
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
        a mark is hollow where its interval holds zero. The children of its group ``marks`` are the configurations, and the
        group's ``data-order`` says which place in the envelope each of them has.
    """
    frame = make_frame(verdict, band, factors)
    strips, height = _strips(frame)
    places = {entry.digest: place for place, entry in enumerate(verdict.configurations)}
    order = " ".join(str(places[entry.digest]) for entry in frame.entries)
    marks = joined(_mark(frame, column, entry) for column, entry in enumerate(frame.entries))
    content = _panel(frame, verdict) + element("g", {"class": "marks", "data-order": order}, marks) + strips
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
    """One configuration, its interval included, as one element that can be faded."""
    x, y = frame.x(column), frame.y(entry.difference if entry.difference is not None else 0.0)
    point = frame.intervals.get(entry.digest)
    radius = max(1.4, min(6.0, frame.step * 0.42))
    settled = point is None or not point.low <= 0 <= point.high
    style = CLASSES[entry.order] if settled else f"{CLASSES[entry.order]} hollow"
    if entry.order is Order.MISSING:
        return element("circle", {"class": style, "cx": x, "cy": y, "r": radius * 0.8})
    tip = {Order.A_AHEAD: -radius, Order.B_AHEAD: radius}.get(entry.order)
    if tip is None:
        half = radius * 0.8
        shape = f"M{short(x - half)} {short(y - half)}h{short(2 * half)}v{short(2 * half)}h{short(-2 * half)}z"
    else:
        shape = f"M{short(x)} {short(y + tip)}l{short(radius)} {short(-1.7 * tip)}h{short(-2 * radius)}z"
    return element("path", {"class": style, "d": shape + _whiskers(frame, x, y, point, reach=radius)})


def _whiskers(frame: Frame, x: float, y: float, point: BandPoint | None, *, reach: float) -> str:
    """Both ends of an interval as far as they leave the mark."""
    if point is None:
        return ""
    top, bottom = frame.y(point.high), frame.y(point.low)
    above = f"M{short(x)} {short(top)}V{short(y - reach)}" if top < y - reach else ""
    below = f"M{short(x)} {short(y + reach)}V{short(bottom)}" if bottom > y + reach else ""
    return above + below


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
    """A level's name, a rule, and a tick in every column that has it; columns are whole numbers inside the scaled paths."""
    paths: dict[str, list[str]] = {}
    for column, entry in enumerate(frame.entries):
        if entry.settings.get(factor) == level:
            paths.setdefault(CLASSES[entry.order], []).append(f"M{column} 0h.7")
    rule = element("path", {"d": f"M{short(frame.left)} {short(y + 6.5)}H{short(frame.right)}", "class": "grid"})
    scale = f"translate({frame.left + 0.15 * frame.step:.2f} {short(y + 6.5)})scale({frame.step:.3f} 1)"
    ticks = joined(
        element("path", {"d": "".join(pieces), "class": f"{style} ticks", "transform": scale})
        for style, pieces in paths.items()
    )
    return label(frame.left - 8, y + 10, inert(level, 23), anchor="end", style="tick") + rule + ticks
