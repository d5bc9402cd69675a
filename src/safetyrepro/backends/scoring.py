"""Log-likelihoods by the fastest path that was seen to be right for this model.

Three paths give the same numbers: packed rows with tree masks (on a processor with attention in blocks, where the model allows it), one
branch at a time over shared keys and values, and plain padded batches. At loading, the first two are held against the third on a few
sequences, and the first that agrees is taken. During a run a sample of every few thousand answers is scored again, alone and plainly; where
one disagrees its whole block is scored again plainly, the fast path is given up, and a note says so. No answer leaves before its block has
passed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from safetyrepro.backends.blocks import takes_blocks
from safetyrepro.backends.forward import HEAD_VALUES, Forward, Scores, in_halves, padded_batches
from safetyrepro.backends.passes import Rows, Unshared
from safetyrepro.backends.prefix import PrefixCounts, PrefixPlan, RowCost, Scorable, as_key, count_tokens, plan_prefixes
from safetyrepro.backends.shared import SharedPrefixes

BLOCK = 4096
"""Sequences that are planned, scored and checked together."""
SAMPLED = 0.004
"""Share of the tokens that the check by the plain path may add."""
TOLERANCES = {"float32": (1e-3, 1e-5), "float16": (0.25, 0.02), "bfloat16": (0.25, 0.02)}
"""Largest difference that rounding may explain: a constant, and a share of the log-likelihood."""
FIXED_SECONDS = {"cpu": 1.5e-4, "cuda": 4e-5}
"""What a layer costs for each pass, whatever it holds."""
READ_BYTES = {"cpu": 2e10, "cuda": 2e12}
"""Bytes of weights that a device reads in a second: a short row waits for them."""
BLOCK_SECONDS = 4e-5
"""What a block of a row costs each layer of a processor to attend, whatever it holds."""
BLOCK_OPERATIONS = 3e10
"""Multiply-adds that attention reaches in a second in a block."""
ROW_TOKENS = 1024
"""A row that attends in blocks gains nothing beyond this length."""
OPERATIONS = {"cpu": 5e10, "cuda": 5e13}
"""Multiply-adds that attention with a mask reaches in a second."""


class Scorer:
    """Scores sequences with one loaded model.

    Parameters
    ----------
    forward : Forward
        The model.
    batch_tokens : int
        Largest number of tokens in one pass.
    share : bool
        Whether shared prefixes may be computed once; False keeps to the plain path.

    Attributes
    ----------
    notes : list of str
        What a reader of the run should know about the path that was taken.
    naive, limit : int
        Tokens of the sequences so far: each whole, and every shared prefix once.
    """

    def __init__(self, forward: Forward, *, batch_tokens: int, share: bool = True) -> None:
        self._forward = forward
        self._batch_tokens = batch_tokens
        self._steady = steady_length(forward.model.config.get_text_config())
        self._previous: tuple[int, ...] = ()
        self._credit = 0.0
        self._checked = 0
        self._fed_before = 0
        self.notes: list[str] = []
        self.naive = 0
        self.limit = 0
        self._shared = self._checked_path() if share else None

    @property
    def computed(self) -> int:
        """Tokens fed so far, without padding."""
        return self._forward.computed + (self._fed_before + self._shared.computed if self._shared else self._fed_before)

    @property
    def padded(self) -> int:
        """Tokens fed so far, with padding."""
        return self.computed - self._forward.computed + self._forward.padded

    @property
    def path(self) -> str:
        """The path that is taken, in words."""
        return self._shared.rows.value if self._shared else "plain padded batches"

    @property
    def packing(self) -> RowCost | None:
        """What a packed row costs; None where the model does not take packed rows."""
        return self._cost() if self._shared and self._shared.rows is Rows.TREES else None

    def steady(self, length: int) -> bool:
        """Whether positions in a sequence of this length are encoded the same whatever else is in a pass."""
        return self._steady is None or length <= self._steady

    def scores(self, sequences: Sequence[Scorable]) -> Iterator[tuple[int, Scores | None]]:
        """Score sequences, in an order that suits the path.

        Returns
        -------
        iterator of (int, Scores or None)
            Position of the sequence; None where memory did not suffice for it alone.
        """
        order = sorted(range(len(sequences)), key=lambda index: as_key(sequences[index].ids))
        for start in range(0, len(order), BLOCK):
            block = order[start : start + BLOCK]
            yield from ((block[place], scores) for place, scores in self._block([sequences[index] for index in block]))

    def _block(self, block: Sequence[Scorable]) -> Iterator[tuple[int, Scores | None]]:
        steady = [place for place, one in enumerate(block) if self.steady(len(one.ids))]
        together = [block[place] for place in steady]
        plan = plan_prefixes(together) if self._shared else None
        limit = self._count(block, plan.counts if plan and len(steady) == len(block) else count_tokens(block))
        found = self._by_sharing(together, plan, limit) if plan else {}
        yield from ((steady[place], scores) for place, scores in found.items())
        alone = sorted(set(range(len(block))) - set(steady))
        rest = [steady[place] for place in range(len(steady)) if place not in found]
        for group in [rest, *([place] for place in alone)]:
            yield from ((group[place], scores) for place, scores in self._plainly([block[place] for place in group]))

    def _by_sharing(self, block: Sequence[Scorable], plan: PrefixPlan, limit: int) -> dict[int, Scores]:
        """Scores by the fast path; empty where a sample of them was wrong, and without those for which memory was short."""
        assert self._shared is not None
        found = {place: scores for place, scores in self._shared.scores(plan) if scores is not None}
        for place in self._sample(sorted(found), block, limit):
            (expected,) = self._forward.score([block[place]])
            if not self._agree(found[place], expected):
                self._give_up(f"log-likelihood {sum(found[place].logprobs):.6f}, plainly {sum(expected.logprobs):.6f}")
                return {}
        return found

    def _plainly(self, block: Sequence[Scorable]) -> Iterator[tuple[int, Scores | None]]:
        for batch in padded_batches(block, tokens=self._batch_tokens, vocabulary=self._forward.vocabulary):
            yield from in_halves(batch, lambda part: self._forward.score([block[place] for place in part]))

    def _sample(self, places: Sequence[int], block: Sequence[Scorable], limit: int) -> Iterator[int]:
        """Places to be checked: one at once, then as many as the share of tokens pays for, the same in every run."""
        self._credit += SAMPLED * limit
        rng = np.random.default_rng(len(places))
        for place in rng.permutation(np.array(places, dtype=np.int64)).tolist():
            cost = len(block[place].ids)
            if self._checked and cost > self._credit:
                return
            self._credit -= cost
            self._checked += 1
            yield place

    def _checked_path(self) -> SharedPrefixes | None:
        refusals = []
        configuration = self._forward.model.config.get_text_config()
        blocks = block_cost(configuration, self._cost()) if takes_blocks(self._forward.model) else None
        for rows, inner in [*([(Rows.TREES, blocks)] if blocks else []), *((rows, None) for rows in Rows)]:
            try:
                self._check(rows, inner)
            except Unshared as finding:
                refusals.append(f"{rows.value}{' in blocks' if inner else ''}: {finding}")
            else:
                self.notes += [f"shared prefixes by {rows.value}, because of {'; '.join(refusals)}"] if refusals else []
                return self._path(rows, self._cost(), inner)
        self.notes.append(f"no shared prefixes, plain padded batches ({'; '.join(refusals)})")
        return None

    def _path(self, rows: Rows, cost: RowCost, blocks: RowCost | None) -> SharedPrefixes:
        if blocks is not None:
            cost = dataclasses.replace(cost, longest=min(cost.longest, ROW_TOKENS))
        return SharedPrefixes(self._forward, cost, rows, blocks=blocks)

    def _check(self, rows: Rows, blocks: RowCost | None) -> None:
        """Hold a path against the plain one on a few sequences of random tokens.

        Raises
        ------
        Unshared
            If they disagree, or the model does not take what the path feeds.
        """
        probe = probe_sequences(self._forward.vocabulary)
        small = RowCost(fixed=1.0, pair=1.0, longest=7, heads=7)
        expected = [self._forward.score([one])[0] for one in probe]
        self._forward.computed = self._forward.padded = 0
        tight = small if blocks is None else dataclasses.replace(small, longest=40)
        for path in (self._path(rows, tight, blocks and small), self._path(rows, self._cost(), blocks)):
            try:
                found = dict(path.scores(plan_prefixes(probe)))
            except (ValueError, TypeError, RuntimeError, IndexError, AttributeError, KeyError) as error:
                raise Unshared(f"{type(error).__name__}: {' '.join(str(error).split())[:120]}") from error
            wrong = [place for place, scores in found.items() if scores is None or not self._agree(scores, expected[place])]
            if wrong:
                raise Unshared(f"{len(wrong)} of {len(probe)} log-likelihoods differ from the plain path")

    def _agree(self, found: Scores, expected: Scores) -> bool:
        name = str(self._forward.model.dtype).removeprefix("torch.")
        constant, share = TOLERANCES.get(name, TOLERANCES["bfloat16"])
        total = sum(expected.logprobs)
        return abs(sum(found.logprobs) - total) <= constant + share * abs(total)

    def _give_up(self, finding: str) -> None:
        assert self._shared is not None
        self.notes.append(f"shared prefixes given up after a check: {finding}; scored plainly from there on")
        self._fed_before += self._shared.computed
        self._shared = None

    def _cost(self) -> RowCost:
        return row_cost(self._forward.model.config.get_text_config(), self._forward, longest=self._batch_tokens)

    def _count(self, block: Sequence[Scorable], counts: PrefixCounts) -> int:
        """Count a block, and return its fewest tokens."""
        self.naive += counts.naive
        self.limit += counts.limit
        if block:
            # A block that continues where the last one ended shares its first path with it.
            shared = next((i for i, (a, b) in enumerate(zip(self._previous, block[0].ids, strict=False)) if a != b), None)
            self.limit -= min(len(self._previous), len(block[0].ids) - 1) if shared is None else shared
            self._previous = block[-1].ids[:-1]
        return counts.limit


def row_cost(configuration: object, forward: Forward, *, longest: int) -> RowCost:
    """What a row costs on a device, from the shape of the model: a model, not a measurement, so that rows are the same in every run."""
    layers = int(getattr(configuration, "num_hidden_layers", 12))
    width = int(getattr(configuration, "hidden_size", 1024))
    kind = forward.device.type if forward.device.type in OPERATIONS else "cuda"
    return RowCost(
        fixed=FIXED_SECONDS[kind] * layers + forward.weight_bytes / READ_BYTES[kind],
        pair=2.0 * width * layers / OPERATIONS[kind],
        longest=longest,
        heads=max(1, HEAD_VALUES // forward.vocabulary),
    )


def block_cost(configuration: object, row: RowCost) -> RowCost:
    """What a block of a row costs to attend on a processor; it may be as long as a row."""
    layers = int(getattr(configuration, "num_hidden_layers", 12))
    width = int(getattr(configuration, "hidden_size", 1024))
    return dataclasses.replace(row, fixed=BLOCK_SECONDS * layers, pair=2.0 * width * layers / BLOCK_OPERATIONS)


def steady_length(configuration: object) -> int | None:
    """Length up to which a position is encoded the same whatever else is in a pass; None where it always is.

    Notes
    -----
    The rotary encodings called *dynamic* and *longrope* switch their frequencies by the longest sequence of the pass. A sequence beyond
    the switch is scored alone.
    """
    stated = getattr(configuration, "rope_parameters", None) or {}
    kinds = [stated, *(part for part in stated.values() if isinstance(part, dict))]
    if not any(part.get("rope_type") in {"dynamic", "longrope"} for part in kinds):
        return None
    limits = [part["original_max_position_embeddings"] for part in kinds if "original_max_position_embeddings" in part]
    limits += [getattr(configuration, "original_max_position_embeddings", None)]
    known = [int(limit) for limit in limits if limit]
    return min(known) if known else int(getattr(configuration, "max_position_embeddings", 1))


def probe_sequences(vocabulary: int) -> list[Scorable]:
    """A few sequences that share prefixes at several depths, one being the prefix of another."""
    rng = np.random.default_rng(0)
    stem = tuple(rng.integers(0, vocabulary, 12).tolist())
    probe = []
    for kept in (4, 12, 12):
        branch = stem[:kept] + tuple(rng.integers(0, vocabulary, 20).tolist())
        tails = [tuple(rng.integers(0, vocabulary, size).tolist()) for size in (1, 3)]
        probe += [Scorable(branch + tail, len(tail)) for tail in tails]
        probe.append(Scorable(branch, 2))
    return probe
