"""Generations in one memory: prompts as a tree, answers as its growing twigs, begun and ended at any time.

Keys and values of prompts and answers lie side by side in one memory, one column for each token; what a token sees is said by a mask.
A shared beginning is kept once. A pass feeds either the next row of prompts or one token of every answer under way, so that short answers
make room for further prompts and nothing waits for the longest. Behind each pass, columns that nobody will see again are forgotten.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from safetyrepro.backends.forward import memory_is_short
from safetyrepro.backends.passes import EMPTY, Fed, MaskedPass, Memory, whole_view
from safetyrepro.backends.prefix import Integers, PrefixPlan, RowCost, Scorable, cut_rows, plan_prefixes, sees

if TYPE_CHECKING:
    from safetyrepro.backends.drafts import Answer, Draft, Drafting
    from safetyrepro.backends.forward import Forward

ROOM = 4
"""The memory may hold this many times the tokens of the longest pass, unless one prompt alone needs more."""
GENERATED = -1
"""Stands for a token of an answer where tokens of prompts have their index in the plan."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What is remembered, and who sees it."""

    memory: Memory
    nodes: Integers
    """(columns,) index in the plan, or GENERATED."""
    seen: NDArray[np.bool_]
    """(drafts under way, columns) whether an answer under way sees a column."""
    active: tuple[int, ...]
    """The drafts under way, by position."""


class ContinuousBatch:
    """Draws many answers of one model.

    Parameters
    ----------
    forward : Forward
        The model; it was seen to take packed rows.
    drafting : Drafting
        Begins and extends answers.
    cost : RowCost
        What a row of prompts costs, and its limits.

    Attributes
    ----------
    computed, limit : int
        Tokens of prompts that were fed, and the fewest possible; drawn tokens are not among them.
    """

    def __init__(self, forward: Forward, drafting: Drafting, cost: RowCost) -> None:
        self.computed = 0
        self.limit = 0
        self._drafting = drafting
        self._cost = cost
        self._pass = MaskedPass(forward)

    def answers(self, prompts: Sequence[tuple[int, ...]], drafts: Sequence[Draft]) -> Iterator[tuple[int, Answer]]:
        """Draw answers, each as soon as it has ended.

        Returns
        -------
        iterator of (int, Answer)
            Position of the draft; those for which memory was short are left out.
        """
        # A prompt is scored at its last token only to learn where it ends in the plan; the target is not read.
        plan = plan_prefixes([Scorable((*prompt, 0), 1) for prompt in prompts])
        self.limit = plan.counts.limit
        rows = list(itertools.pairwise(cut_rows(plan, self._cost).tolist()))[::-1]
        ended: dict[int, list[int]] = {}
        for index, node in enumerate(plan.last.tolist()):
            ended.setdefault(node, []).append(index)
        held = _Held(EMPTY, np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=bool), ())
        try:
            while rows or held.active:
                if rows and self._has_room(held, drafts, rows[-1]):
                    held = self._admit(plan, held, rows.pop(), drafts, ended)
                else:
                    held = self._step(held, drafts)
                yield from ((index, answer) for index in held.active if (answer := drafts[index].finished) is not None)
                held = _forget(plan, held, drafts, rows[-1][0] if rows else None)
        except (MemoryError, RuntimeError) as error:
            if not memory_is_short(error):
                raise

    def _has_room(self, held: _Held, drafts: Sequence[Draft], row: tuple[int, int]) -> bool:
        wanted = len(held.nodes) + sum(drafts[index].longest for index in held.active) + row[1] - row[0]
        return not held.active or wanted <= ROOM * self._cost.longest

    def _admit(
        self,
        plan: PrefixPlan,
        held: _Held,
        row: tuple[int, int],
        drafts: Sequence[Draft],
        ended: dict[int, list[int]],
    ) -> _Held:
        """Feed a row of prompts; those that end in it are answers under way from then on."""
        start, stop = row
        prompts = held.nodes != GENERATED
        visible = np.zeros((stop - start, len(held.nodes) + stop - start), dtype=bool)
        visible[:, : len(held.nodes)][:, prompts] = sees(plan, held.nodes[prompts], start, stop)[:, : int(prompts.sum())]
        visible[:, len(held.nodes) :] = sees(plan, np.zeros(0, dtype=np.int64), start, stop)
        places = np.array([node - start for node in range(start, stop) if node in ended], dtype=np.int64)
        fed = Fed(tokens=plan.tokens[start:stop], depth=plan.depth[start:stop], views=whole_view(visible), kept=places)
        logits, memory = self._pass.feed(fed, held.memory)
        self.computed += stop - start
        begun, views = [], [np.pad(held.seen, ((0, 0), (0, stop - start)))]
        for place, row_logits in zip(places.tolist(), logits, strict=True):
            for index in ended[start + place]:
                self._drafting.extend(drafts[index], row_logits)
                begun.append(index)
                views.append(visible[place : place + 1])
        nodes = np.concatenate([held.nodes, np.arange(start, stop)])
        return _Held(memory, nodes, np.concatenate(views), (*held.active, *begun))

    def _step(self, held: _Held, drafts: Sequence[Draft]) -> _Held:
        """Feed the latest token of every answer under way, and draw the next."""
        active = [drafts[index] for index in held.active]
        n_active = len(active)
        seen = np.concatenate([held.seen, np.eye(n_active, dtype=bool)], axis=1)
        fed = Fed(
            tokens=np.array([draft.ids[-1] for draft in active], dtype=np.int64),
            depth=np.array([len(draft.prompt) + len(draft.ids) - 1 for draft in active], dtype=np.int64),
            views=whole_view(seen),
            kept=np.arange(n_active),
        )
        logits, memory = self._pass.feed(fed, held.memory)
        for draft, row in zip(active, logits, strict=True):
            self._drafting.extend(draft, row)
        nodes = np.concatenate([held.nodes, np.full(n_active, GENERATED)])
        return _Held(memory, nodes, seen, held.active)


def _forget(plan: PrefixPlan, held: _Held, drafts: Sequence[Draft], upcoming: int | None) -> _Held:
    """Drop ended answers, and columns that neither an answer under way nor a later prompt sees."""
    under_way = [place for place, index in enumerate(held.active) if drafts[index].finished is None]
    seen = held.seen[under_way]
    wanted: NDArray[np.bool_] = np.any(seen, axis=0).reshape(len(held.nodes))
    if upcoming is not None:
        prompts = held.nodes != GENERATED
        wanted[prompts] |= plan.end[held.nodes[prompts]] > upcoming
    kept = np.flatnonzero(wanted)
    active = tuple(held.active[place] for place in under_way)
    return _Held(held.memory.keep(kept), held.nodes[kept], seen[:, kept], active)
