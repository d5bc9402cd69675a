"""Drawings as text: the order strip, bars, and the elements they are made of.

Every drawing says in its title and description what it shows, tells who is ahead by shape as well as by colour, and takes its
colours from the page, so that it follows light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from safetyrepro.render.text import inert
from safetyrepro.verdicts import Order, Verdict

CLASSES: Mapping[Order, str] = {Order.A_AHEAD: "a", Order.B_AHEAD: "b", Order.TIE: "tie", Order.MISSING: "gap"}
"""Class of a mark by the order it stands for."""

STRIP_HEIGHT = 34
STRIP_WIDTH = 720
FITS_UP_TO = 480.0
"""Width up to which a drawing may shrink to a phone's; a wider one keeps its size and is scrolled."""


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


def order_strip(verdict: Verdict, identity: str) -> Markup:
    """The order in each configuration, in the envelope's order: up for A, down for B, a short bar for a tie, a ring for a gap.

    Parameters
    ----------
    verdict : Verdict
        The pair.
    identity : str
        Unique on the page.

    Returns
    -------
    Markup
        An SVG element; the children of its group ``marks`` are the configurations, in order.
    """
    entries = verdict.configurations
    step = min(18.0, STRIP_WIDTH / max(len(entries), 1))
    width = max(step * len(entries), 18.0)
    thickness = step - min(2.0, step / 4)
    middle = STRIP_HEIGHT / 2
    marks = joined(_strip_mark(entry.order, step * (i + 0.5), step) for i, entry in enumerate(entries))
    axis = element("path", {"d": f"M0 {middle:g}h{width:g}", "class": "axis"})
    return drawing(
        identity,
        (width, STRIP_HEIGHT),
        title=f"Order in each configuration: {verdict.a} against {verdict.b}",
        about=counts_note(verdict),
        content=axis + element("g", {"class": "marks bars", "stroke-width": thickness}, marks),
    )


def counts_note(verdict: Verdict) -> str:
    """The counts of a pair in one sentence."""
    return (
        f"{verdict.a} ahead in {verdict.n_plus}, {verdict.b} ahead in {verdict.n_minus}, tie in {verdict.n_tie}, "
        f"missing in {verdict.n_missing} of {len(verdict.configurations)} configurations."
    )


def _strip_mark(order: Order, x: float, step: float) -> Markup:
    middle = STRIP_HEIGHT / 2
    if order is Order.MISSING:
        return element("circle", {"class": CLASSES[order], "cx": x, "cy": middle, "r": min(3.5, step / 3)})
    y, height = {Order.A_AHEAD: (1.0, middle - 2), Order.B_AHEAD: (middle + 1, middle - 2), Order.TIE: (middle - 2.5, 5.0)}[
        order
    ]
    return element("path", {"class": CLASSES[order], "d": f"M{short(x)} {y:g}v{height:g}"})


def short(value: float) -> str:
    """A coordinate to a tenth, without a zero that says nothing."""
    return f"{value:.1f}".removesuffix(".0")


def share_bar(share: float | None) -> Markup:
    """A share in [0, 1] as a bar of full width 1, beside the number that says the same; empty where it is undefined."""
    filled = Markup('<i style="width:{}%"></i>').format(f"{100 * share:.3g}") if share else Markup("")
    return Markup('<div class="share" aria-hidden="true">{}</div>').format(filled)
