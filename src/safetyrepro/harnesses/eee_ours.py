"""Records of Every Eval Ever that this package wrote: factors, questions, names and statuses come back as they were.

The schema has a place for what it does not know (``additional_details``, ``metadata``). What stands there is ours where the record says
that this package is its source; the levels of a configuration are ``factor.NAME``, and items without a value are listed with their status.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from safetyrepro.estimands import Aggregation, Estimand, Orientation
from safetyrepro.harnesses.base import ForeignItem, Mark, finite_or_none, number_of, object_at, text_at, word
from safetyrepro.records import Json, Status

SOURCE = "safetyrepro"
FACTOR = "factor."
UNSCORED = "unscored"
"""Name of the detail that lists the items without a value, as a text of JSON: id, repetition, status, reason, cluster, stratum, weight."""
UNEVEN_MEAN = "mean with weights or repetitions"
"""A mean in which the lines of a file do not count alike."""
AGGREGATIONS = {UNEVEN_MEAN: Aggregation.MEAN, **{member.value: member for member in Aggregation}}
"""How a record calls what its score is of its items."""
_RUN_OF_REPEATS = 1000


def is_ours(record: Mapping[str, Json]) -> bool:
    """Whether a record was exported by this package."""
    return text_at(dict(record), "source_metadata", "source_name") == SOURCE


def factors(entry: dict[str, Json]) -> dict[str, str]:
    """Return the configuration of a result: factor -> level, in the order in which it was written."""
    details = object_at(entry, "generation_config", "additional_details")
    told = {name.removeprefix(FACTOR): _plain(level) for name, level in details.items() if name.startswith(FACTOR)}
    return {name: level for name, level in told.items() if name and level}


def estimand(entry: dict[str, Json], plain: Estimand) -> Estimand:
    """Return the question of a result with the direction and aggregation that the schema has no word for; `plain` without them."""
    config = object_at(entry, "metric_config")
    details = object_at(config, "additional_details")
    low, high = finite_or_none(config.get("min_score")), finite_or_none(config.get("max_score"))
    low, high = (low, high) if low is not None and high is not None and low < high else (plain.low, plain.high)
    try:
        orientation = Orientation.parse(text_at(details, "orientation"))
    except ValueError:
        orientation = plain.orientation
    if orientation.target is not None and not math.isfinite(orientation.target):
        orientation = plain.orientation
    return replace(
        plain,
        about=text_at(config, "evaluation_description") or plain.about,
        low=low,
        high=high,
        orientation=orientation,
        aggregation=AGGREGATIONS.get(text_at(details, "aggregation"), plain.aggregation),
    )


def mean_of_items(entry: dict[str, Json]) -> bool:
    """Whether the score of a result is the plain mean of its items, so that the two can be compared."""
    return text_at(entry, "metric_config", "additional_details", "aggregation") in ("", Aggregation.MEAN.value)


def has_items(entry: dict[str, Json]) -> bool:
    """Whether a result was formed over items, of which some may have no value."""
    return any(name.startswith("items_") for name in object_at(entry, "score_details", "details"))


def named(item: ForeignItem, line: dict[str, Json]) -> ForeignItem:
    """Return an item of a line under the name that it had, with its cluster, stratum, repetition and weight."""
    metadata = object_at(line, "metadata")
    return replace(
        item,
        name=_plain(line["sample_id"]) or item.id,
        text="" if item.text == item.prompt else item.text,
        cluster=text_at(metadata, "cluster"),
        stratum=text_at(metadata, "stratum"),
        repeat=_repeat(number_of(metadata.get("repeat"))),
        weight=_weight(number_of(metadata.get("weight"))),
        response=item.response or None,
    )


def unscored(entry: dict[str, Json], metric: str) -> Iterator[ForeignItem]:
    """Yield the items of a result that have no value."""
    try:
        listed = json.loads(text_at(entry, "score_details", "details", UNSCORED) or "[]")
    except (ValueError, RecursionError):
        return
    for fields in listed if isinstance(listed, list) else []:
        texts = [_plain(field) for field in fields] if isinstance(fields, list) else []
        known = {status.value: status for status in Status if status is not Status.SCORED}
        if len(texts) == 7 and texts[2] in known and texts[0]:
            name, repeat, status, reason, cluster, stratum, weight = texts
            yield ForeignItem(
                id=name,
                name=name,
                text="",
                cluster=cluster,
                stratum=stratum,
                repeat=_repeat(number_of(repeat)),
                weight=_weight(number_of(weight)),
                marks={metric: Mark(value=None, status=known[status], reason=reason)},
                apart=metric,
            )


def _plain(value: Json) -> str:
    """A text as it stands, and any other scalar as a word: names come back letter by letter."""
    return value if isinstance(value, str) else word(value)


def _repeat(number: float | None) -> int:
    """A repetition; further runs of one configuration, which a store numbers by the thousand, are repetitions like any other."""
    whole = int(number) if number is not None and 0 <= number < _RUN_OF_REPEATS**2 else 0
    return whole // _RUN_OF_REPEATS + whole % _RUN_OF_REPEATS


def _weight(number: float | None) -> float:
    return number if number is not None and 0 <= number < math.inf else 1.0
