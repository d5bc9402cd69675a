"""The contract of a benchmark: one file that says what is asked, under which factors, and what the answers are worth.

A benchmark is pure: text in, values out. It opens no file (`benchmarks.data` does), loads no model and draws nothing except
from the generator it is handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from safetyrepro.envelope import Configuration, Factor
from safetyrepro.estimands import Estimand
from safetyrepro.records import Item, Outcome, Request, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file of a benchmark's data, pinned."""

    path: str
    """Path below the benchmark's data folder, as upstream names it."""
    sha256: tuple[str, ...]
    """Digests of the uncompressed bytes that are accepted as this edition, the upstream one first."""
    url: str = ""
    """Address at a fixed revision; empty where it cannot be fetched."""
    required: bool = True
    """Whether the benchmark cannot be read without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Where a benchmark's items come from."""

    files: tuple[DataFile, ...]
    """The files that `items` reads."""
    revision: str
    """Repository and commit of the pinned edition."""
    licence: str
    """SPDX name of the licence of the data."""
    citation: str
    """Authors, year, title."""
    n_items: int
    """Number of items of the pinned edition."""
    withheld: str = ""
    """Why its texts belong in no published card; empty where the licence alone decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What a presentation may show before an item: solved items that are never evaluated, and fixed texts."""

    pool: tuple[Item, ...] = ()
    """Solved items disjoint from the evaluated subset, in a seeded order; k examples are the first k."""
    texts: Mapping[str, str] | None = None
    """Fixed texts by name, such as a primer read from a package's own file."""
    safety_prompt: str | None = None
    """The safety prompt of the model at hand; None where its maker publishes none."""


class Benchmark(Protocol):
    """What every module of this family offers under the same names."""

    NAME: str
    """Name by which studies call it; equals the module's name."""
    TITLE: str
    """Name by which people call it."""
    ABOUT: str
    """What is measured and in which direction, one or two sentences."""
    SOURCE: DataSource
    """Where the items come from."""
    FACTORS: tuple[Factor, ...]
    """The factors that this file obeys, each with its stage; every level changes a request, or can change an outcome."""
    ESTIMANDS: tuple[Estimand, ...]
    """The questions it answers; the first is primary."""

    def items(self, files: Mapping[str, bytes]) -> tuple[Item, ...]:
        """Read the items from the bytes of the source's files (uncompressed), by their declared paths.

        Raises
        ------
        DataError
            If a column, a row or an encoding is not what the edition has; the sentence names file, row and remedy.
        """

    def subset(
        self, items: Sequence[Item], n_items: int, rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """Draw the evaluated items and the pool of examples, which never share an item or a cluster.

        Returns
        -------
        tuple of (evaluated, pool)
        """

    def requests(self, item: Item, configuration: Configuration, examples: Examples) -> tuple[Request, ...]:
        """What is asked of the model about an item under a configuration, in a fixed order."""

    def outcomes(self, item: Item, configuration: Configuration, responses: Sequence[Response]) -> tuple[Outcome, ...]:
        """What the answers are worth, one outcome for each estimand, in the order of `ESTIMANDS`.

        Every response has an answer: a failed request never reaches this function.
        """
