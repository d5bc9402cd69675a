"""GridCard -> card.html: one offline file that reads without script, on a phone and on paper.

Everything that came from a model, a data set or a foreign log passes through `inert` and the template's escaping.
"""

from __future__ import annotations

from functools import partial

from safetyrepro.card import GridCard
from safetyrepro.render import beyond, support, text, view, view_further
from safetyrepro.render.curve import specification_curve
from safetyrepro.render.svg import order_strip, share_bar
from safetyrepro.sentences import verdict_sentence


def card_page(card: GridCard) -> str:
    """Write a card as one self-contained page.

    Parameters
    ----------
    card : GridCard
        The card.

    Returns
    -------
    str
        HTML without script and without any address that a browser would fetch; equal cards give equal text.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("safetyrepro.render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_inert_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": text.number,
        "percent": text.percent,
        "counted": text.counted,
        "statuses": text.statuses_text,
        "long": partial(_marked, limit=4000),
    }
    environment.globals |= {
        "order_strip": order_strip,
        "specification_curve": specification_curve,
        "share_bar": share_bar,
        "verdict_sentence": verdict_sentence,
        "support": support,
        "view": view,
        "view_further": view_further,
        "beyond": beyond,
    }
    shown = view.shown_benchmarks(card)
    return environment.get_template("card.html.j2").render(card=card, shown=shown, answer=view.answer(card))


def _inert_value(value: object) -> object:
    """What an expression of the template prints: markup as it is, any other text made inert."""
    return text.inert(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _marked(value: str, limit: int) -> object:
    """A longer text, inert and escaped, that the usual limit does not cut."""
    from markupsafe import escape

    return escape(text.inert(value, limit))
