"""Drawings as text: the order strip, bars, and the elements they are made of.

Every drawing says in its title and description what it shows, tells who is ahead by shape as well as by colour, and takes its
colours from the page, so that it follows light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from safetyrepro.render.text import inert, percent
from safetyrepro.verdicts import ConfigurationVerdict, Order, Verdict

CLASSES: Mapping[Order, str] = {Order.A_AHEAD: "a", Order.B_AHEAD: "b", Order.TIE: "tie", Order.MISSING: "gap"}
"""Class of a mark by the order it stands for."""

STRIP_HEIGHT = 34
STRIP_WIDTH = 720
FITS_UP_TO = 480.0
"""Width up to which a drawing may shrink to a phone's; a wider one keeps its size and is scrolled."""

TITLES_UP_TO = 240
"""Drawings with more marks carry no title for each: the table of configurations has them all."""


def element(name: str, attributes: Mapping[str, object], content: str | Markup = "") -> Markup:
    """One element; attribute values and text content are escaped, markup content is kept."""
    written = "".join(f' {key}="{escape(_written(value))}"' for key, value in attributes.items())
    inner = escape(content)
    text = f"<{name}{written}>{inner}</{name}>" if content else f"<{name}{written}/>"
    return Markup(text)  # noqa: S704 (every part of it was escaped above)


def _written(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def joined(parts: Iterable[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


def drawing(identity: str, size: tuple[float, float], *, title: str, about: str, content: Markup) -> Markup:
    """A whole drawing with its title and its description.

    Parameters
    ----------
    identity : str
        Unique on the page; letters, digits and hyphens.
    size : tuple of (width, height)
        Extent in its own units.
    title, about : str
        What it is, and what can be seen in it.
    content : Markup
        Its elements.
    """
    width, height = size
    attributes = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{width:g}",
        "height": f"{height:g}",
        "class": "fits" if width <= FITS_UP_TO else "wide",
        "role": "img",
        "aria-labelledby": f"{identity}-t {identity}-d",
    }
    named = joined(
        [
            element("title", {"id": f"{identity}-t"}, inert(title)),
            element("desc", {"id": f"{identity}-d"}, inert(about, 1000)),
        ]
    )
    return element("svg", attributes, named + content)


def label(x: float, y: float, text: str, *, style: str = "", anchor: str = "start") -> Markup:
    """A line of text at a place."""
    return element("text", {"x": x, "y": y, "class": style or "label", "text-anchor": anchor}, inert(text))


def configuration_note(entry: ConfigurationVerdict) -> str:
    """A configuration, its factors by name, and its difference in one line."""
    told = ", ".join(f"{name}={level}" for name, level in sorted(entry.settings.items())) or "the only configuration"
    difference = "not measured for both" if entry.difference is None else f"difference {entry.difference:+.3f}"
    return inert(f"{told}: {difference}")


def order_strip(verdict: Verdict, identity: str) -> Markup:
    """The order in each configuration, in the envelope's order: up for A, down for B, a short bar for a tie, a ring for a gap.

    Parameters
    ----------
    verdict : Verdict
        The pair.
    identity : str
        Unique on the page.
    """
    entries = verdict.configurations
    step = min(18.0, STRIP_WIDTH / max(len(entries), 1))
    width = max(step * len(entries), 18.0)
    with_titles = len(entries) <= TITLES_UP_TO
    marks = [_strip_mark(entry, step * i, step, titled=with_titles) for i, entry in enumerate(entries)]
    middle = STRIP_HEIGHT / 2
    axis = element("line", {"x1": 0, "x2": width, "y1": middle, "y2": middle, "class": "axis"})
    return drawing(
        identity,
        (width, STRIP_HEIGHT),
        title=f"Order in each configuration: {verdict.a} against {verdict.b}",
        about=counts_note(verdict),
        content=axis + joined(marks),
    )


def counts_note(verdict: Verdict) -> str:
    """The counts of a pair in one sentence."""
    return (
        f"{verdict.a} ahead in {verdict.n_plus}, {verdict.b} ahead in {verdict.n_minus}, tie in {verdict.n_tie}, "
        f"missing in {verdict.n_missing} of {len(verdict.configurations)} configurations."
    )


def _strip_mark(entry: ConfigurationVerdict, x: float, step: float, *, titled: bool) -> Markup:
    middle, gap = STRIP_HEIGHT / 2, min(2.0, step / 4)
    title = element("title", {}, configuration_note(entry)) if titled else Markup("")
    style = CLASSES[entry.order]
    if entry.order is Order.MISSING:
        ring = {"cx": x + step / 2, "cy": middle, "r": min(3.5, step / 3), "class": style}
        return element("circle", ring, title)
    extent = {Order.A_AHEAD: (1.0, middle - 2), Order.B_AHEAD: (middle + 1, middle - 2), Order.TIE: (middle - 2.5, 5.0)}
    y, height = extent[entry.order]
    return element("rect", {"x": x + gap / 2, "y": y, "width": step - gap, "height": height, "class": style}, title)


def share_bar(share: float | None, identity: str, title: str) -> Markup:
    """A share in [0, 1] as a bar of full width 1; empty and dashed where it is undefined."""
    width, height = 160.0, 14.0
    frame = element("rect", {"x": 0.5, "y": 0.5, "width": width - 1, "height": height - 1, "class": "frame"})
    filled = element("rect", {"x": 0.5, "y": 0.5, "width": (width - 1) * (share or 0.0), "height": height - 1, "class": "bar"})
    about = "undefined" if share is None else percent(share)
    return drawing(identity, (width, height), title=title, about=about, content=frame + filled if share else frame)
