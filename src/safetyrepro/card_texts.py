"""Store + verdicts -> the texts that a card may carry: what two models were asked under the two configurations of a witness.

Nothing is carried unless it is asked for, and nothing of a benchmark whose licence or whose content forbids it: a card is published,
benchmark texts are offensive in places, and they are not the card's to give away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from safetyrepro.analysis import Analysis, BenchmarkAnalysis
from safetyrepro.benchmarks import benchmark_modules
from safetyrepro.envelope import Configuration
from safetyrepro.errors import CardError
from safetyrepro.manifest import NOT_RECORDED, BenchmarkEntry
from safetyrepro.records import ItemRecord
from safetyrepro.store import Store
from safetyrepro.study import Document
from safetyrepro.verdicts import Verdict, Witness, WitnessItems

MOST_PAIRS = 15
"""Pairs of one benchmark that are shown in full."""
MOST_ITEMS = 50
"""Items of one witness whose texts a card carries at most."""
MOST_LETTERS = 20_000
"""Characters of one text; a longer one is cut in the middle."""
PERMITTING = frozenset(
    {
        "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0",
        "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "MIT", "ODC-By-1.0",
    }
)  # fmt: skip
"""SPDX names of licences that let anyone pass a text on."""


class AskedTexts(Document):
    """What two models were asked about one item under one configuration."""

    a: tuple[str, ...]
    """Texts that reached A before its answer, each once; empty where they are not recorded."""
    b: tuple[str, ...] | None
    """Those that reached B; None where they are the same."""


class ItemTexts(Document):
    """One item of a witness."""

    item: str
    """Id of the item."""
    plus: AskedTexts
    """Under the configuration where A is ahead."""
    minus: AskedTexts
    """Under the configuration where B is ahead."""


class WitnessTexts(Document):
    """Items on which the two models of a witness differ."""

    a: str
    """Model A."""
    b: str
    """Model B."""
    items: tuple[ItemTexts, ...]
    """First those on which the better model itself changes."""


class BenchmarkTexts(Document):
    """What a card carries of one benchmark."""

    benchmark: str
    """Name by which the analysis calls it."""
    licence: str
    """SPDX name of the data's licence."""
    left_out: str
    """Why no text is carried; empty where texts are."""
    witnesses: tuple[WitnessTexts, ...]
    """The witnesses of the pairs that are shown in full."""


class CardTexts(Document):
    """Texts of a card, with what was asked for."""

    n_items: int
    """Most items of each witness."""
    named: tuple[str, ...]
    """Benchmarks without a known licence for which whoever made the card answers."""
    benchmarks: tuple[BenchmarkTexts, ...]
    """The benchmarks with a witness, under their primary estimand."""


def contested(pairs: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The pairs to show in full: reversals by the size of their minority, then, to fill up, the closest of the others."""
    ordered = sorted(pairs, key=lambda pair: (-min(pair.n_plus, pair.n_minus), abs(pair.mean_difference or 0.0)))
    n_reversed = sum(pair.reversal for pair in pairs)
    return tuple(ordered[: min(MOST_PAIRS, max(n_reversed, 3))])


def carried_texts(store: Store, analysis: Analysis, *, n_items: int, named: Sequence[str] = ()) -> CardTexts:
    """Read what a card may carry.

    Parameters
    ----------
    store : Store
        The store that was analyzed.
    analysis : Analysis
        Its verdicts; their witnesses say which items.
    n_items : int
        Most items of each witness, 1 to 50.
    named : sequence of str
        Benchmarks to carry although their licence is not known to permit it.

    Raises
    ------
    CardError
        If a number is out of range, or a named benchmark is unknown or may never be carried.
    """
    if not 1 <= n_items <= MOST_ITEMS:
        raise CardError(
            "--texts",
            found=f"asks for {n_items} items of each witness",
            expected=f"1 to {MOST_ITEMS}",
            remedy="Ask for fewer: a page with many texts is slow to open.",
        )
    for name in named:
        _check_named(name, store)
    found = [(name, result) for name, result in analysis.benchmarks.items() if result.primary and _witnessed(result)]
    told = tuple(_benchmark(store, name, result, n_items=n_items, named=named) for name, result in found)
    return CardTexts(n_items=n_items, named=tuple(named), benchmarks=told)


def _check_named(name: str, store: Store) -> None:
    known = [entry.name for entry in store.manifest.benchmarks]
    if name not in known:
        raise CardError(
            "--texts-of",
            found=f"the store has no benchmark '{name}'",
            expected=f"some of {', '.join(known)}",
            remedy="Correct it.",
        )
    reason = withheld(name)
    if reason:
        raise CardError(
            "--texts-of",
            found=f"texts of '{name}' are never carried: {reason}",
            remedy="Leave it out; its ids and digests are carried.",
        )


def withheld(name: str) -> str:
    """Why texts of a benchmark are never carried, whatever another package calls its parts; empty where they may be."""
    modules = benchmark_modules().values()
    return next((one.SOURCE.withheld for one in modules if name.casefold().startswith(one.NAME) and one.SOURCE.withheld), "")


def _witnessed(result: BenchmarkAnalysis) -> list[tuple[Verdict, Witness, WitnessItems]]:
    pairs = [(pair, pair.witness) for pair in contested(result.pairs)]
    return [(pair, one, one.items) for pair, one in pairs if one is not None and one.items is not None]


def _benchmark(store: Store, name: str, result: BenchmarkAnalysis, *, n_items: int, named: Sequence[str]) -> BenchmarkTexts:
    entry = store.manifest.benchmark(result.benchmark)
    reason = _reason(entry, named)
    witnesses = () if reason else _witnesses(store, result, n_items)
    if not reason and not any(one.items for one in witnesses):
        reason, witnesses = "the store holds none of its rendered prompts", ()
    return BenchmarkTexts(benchmark=name, licence=entry.data.licence, left_out=reason, witnesses=witnesses)


def _reason(entry: BenchmarkEntry, named: Sequence[str]) -> str:
    never = withheld(entry.name)
    if never or entry.name in named or entry.data.licence in PERMITTING:
        return never
    if entry.data.licence == NOT_RECORDED:
        return "the licence of its data is not recorded"
    return f"the licence of its data, {entry.data.licence}, is not among those known to permit it"


def _witnesses(store: Store, result: BenchmarkAnalysis, n_items: int) -> tuple[WitnessTexts, ...]:
    chosen = [(pair, witness, _differing(items)[:n_items]) for pair, witness, items in _witnessed(result)]
    wanted = {
        (model, side, item)
        for pair, witness, items in chosen
        for model in (pair.a, pair.b)
        for side in (_digest(witness.plus), _digest(witness.minus))
        for item in items
    }
    records = [record for record in store.records(result.benchmark, result.estimand.name) if _place(record) in wanted]
    asked = {_place(record): texts for record, texts in zip(records, _texts(store, records), strict=True) if not record.repeat}
    return tuple(_witness(pair, witness, items, asked) for pair, witness, items in chosen)


def _differing(items: WitnessItems) -> list[str]:
    lists = (items.turned, items.plus_a_better, items.minus_b_better, items.plus_b_better, items.minus_a_better)
    return list(dict.fromkeys(item for one in lists for item in one))


def _digest(settings: Mapping[str, str]) -> str:
    return Configuration.of(settings).digest


def _place(record: ItemRecord) -> tuple[str, str, str]:
    return record.cell.model, record.cell.configuration, record.item_id


def _texts(store: Store, records: Sequence[ItemRecord]) -> Iterable[tuple[str, ...]]:
    """What was asked of each record's item; where several requests were made, each text once."""
    single = store.prompts({record.prompt_digest for record in records})
    keys = {key for record in records if record.prompt_digest not in single for key in record.keys}
    behind = {one.key: one.prompt_digest for one in store.responses() if one.key in keys} if keys else {}
    several = store.prompts(set(behind.values())) if behind else {}
    for record in records:
        digests = [behind[key] for key in record.keys if key in behind]
        found = [several[digest] for digest in dict.fromkeys(digests) if digest in several]
        yield tuple(map(_cut, [single[record.prompt_digest]] if record.prompt_digest in single else found))


def _cut(text: str) -> str:
    """A text of bounded length; what differs mostly stands at its ends."""
    half = MOST_LETTERS // 2
    return (
        text
        if len(text) <= MOST_LETTERS
        else f"{text[:half]}\n[{len(text) - 2 * half} characters are left out]\n{text[-half:]}"
    )


def _witness(
    pair: Verdict, witness: Witness, items: Sequence[str], asked: Mapping[tuple[str, str, str], tuple[str, ...]]
) -> WitnessTexts:
    def side(settings: Mapping[str, str], item: str) -> AskedTexts:
        a, b = (asked.get((model, _digest(settings), item), ()) for model in (pair.a, pair.b))
        return AskedTexts(a=a, b=None if a == b else b)

    told = [ItemTexts(item=item, plus=side(witness.plus, item), minus=side(witness.minus, item)) for item in items]
    return WitnessTexts(
        a=pair.a, b=pair.b, items=tuple(one for one in told if one.plus.a or one.plus.b or one.minus.a or one.minus.b)
    )
