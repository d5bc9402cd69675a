"""Other evaluation packages: how to read what each wrote, without importing any of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from safetyrepro.harnesses.base import Harness

HARNESSES: Mapping[str, str] = {
    "lm-eval": "safetyrepro.harnesses.lm_eval",
    "inspect-ai": "safetyrepro.harnesses.inspect_ai",
    "helm": "safetyrepro.harnesses.helm",
    "lighteval": "safetyrepro.harnesses.lighteval",
    "every-eval-ever": "safetyrepro.harnesses.every_eval_ever",
    "nemo": "safetyrepro.harnesses.nemo",
}
"""Name on the command line -> module; a module is loaded when it is asked for."""


def harness(name: str) -> Harness:
    """Return the reader of a package.

    Raises
    ------
    KeyError
        If no reader has this name.
    """
    return cast("Harness", importlib.import_module(HARNESSES[name]))
