"""GridCard -> card.html: one offline file that reads without script, on a phone and on paper, and counts again with it.

Everything that came from a model, a data set or a foreign log passes through `inert` and the template's escaping.
"""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from safetyrepro.card import GridCard
from safetyrepro.render import beyond, carried, contest, support, text, view, view_further
from safetyrepro.render.curve import specification_curve
from safetyrepro.render.svg import order_strip, share_bar
from safetyrepro.sentences import verdict_sentence

if TYPE_CHECKING:
    from jinja2 import Environment

SCRIPTS = ("count.js", "show.js", "switches.js")
"""Parts of the page's script, in order; together they are one function."""


def card_page(card: GridCard) -> str:
    """Write a card as one self-contained page.

    Parameters
    ----------
    card : GridCard
        The card.

    Returns
    -------
    str
        HTML without any address that a browser would fetch, and with one script, the only one that its own policy lets run; equal
        cards give equal text.
    """
    shown, script = view.shown_benchmarks(card), page_script()
    return (
        _environment()
        .get_template("card.html.j2")
        .render(
            card=card,
            shown=shown,
            answer=view.answer(card),
            borne=support.borne_sentence(card),
            boards=contest.board_places(shown),
            claims=contest.claim_places(card, shown),
            data=contest.contest_data(card, shown),
            script=Markup(script),  # noqa: S704 (a file of this package)
            script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        )
    )


def _environment() -> Environment:
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
        "lead": text.lead_text,
        "percent": text.percent,
        "counted": text.counted,
        "statuses": text.statuses_text,
        "long": partial(_marked, limit=4000),
        "code": _with_code,
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
        "contest": contest,
        "carried": carried,
    }
    return environment


def page_script() -> str:
    """The script that every page carries; it takes nothing from a card but the data block."""
    folder = resources.files("safetyrepro.render") / "templates"
    return '(() => {\n"use strict";\n' + "".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS) + "})();\n"


def _inert_value(value: object) -> object:
    """What an expression of the template prints: markup as it is, any other text made inert."""
    return text.inert(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _marked(value: str, limit: int) -> object:
    """A longer text, inert and escaped, that the usual limit does not cut."""
    return escape(text.inert(value, limit))


def _with_code(value: str) -> Markup:
    """A longer text, inert and escaped, in which what stands between backquotes is set as code."""
    parts = text.code_parts(text.inert(value, 4000))
    return Markup("").join(Markup("<code>{}</code>").format(part) if is_code else escape(part) for part, is_code in parts)
