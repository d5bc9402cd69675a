"""Strengths of the models when every configuration is a voter (Bradley and Terry).

Strengths exist only if every model beats every other one through some chain of wins. A model that
is never beaten would have an infinite strength: then there is no answer, and the reason is given.
The strengths describe the envelope. Configurations are not independent voters, so they have no
standard errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.base import TOLERANCE, Flags, Floats, checked_scores, checked_tolerance

LARGEST_RESIDUAL = 1e-12
"""Stop when expected wins differ from wins by at most this share of the largest number of wins."""
MOST_ITERATIONS = 200_000
"""Give up after so many steps; one step costs n^2 operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BradleyTerry:
    """Strengths of the models, or why there are none."""

    log_strengths: tuple[float, ...] | None
    """Natural logarithm of each strength, with mean 0; None if they do not exist."""
    wins: tuple[tuple[float, ...], ...]
    """Entry [a][b]: configurations in which a is ahead of b, a tie counted as one half."""
    reason: str | None
    """Why there are no strengths; None if there are."""
    n_iterations: int
    """Steps of the algorithm."""


def bradley_terry(scores: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> BradleyTerry:
    """Bradley-Terry strengths of the models, configurations as voters.

    Parameters
    ----------
    scores : (n_models, c) float array
        Score of every cell, larger is safer.
    known : (n_models, c) bool array
        True where the cell has a score. A pair is compared where both have one.
    tolerance : float
        Scores that differ by at most this tie; a tie is half a win for each.

    Returns
    -------
    BradleyTerry
        Without strengths, and with a reason, if the likelihood has no maximum.

    Raises
    ------
    ValueError
        If there is no model, shapes differ, or a known score is not finite.

    Notes
    -----
    P(a ahead of b) = s_a / (s_a + s_b). The likelihood of the wins w has a unique maximum, up to a
    common factor, iff the graph with an edge a -> b for w_ab > 0 is strongly connected. Step of the
    minorize-maximize algorithm: s_a <- W_a / sum_b n_ab / (s_a + s_b), W_a the wins of a and
    n_ab the comparisons of a and b; the likelihood rises with every step. For two models the
    difference of log strengths is log(w_ab / w_ba). One configuration counts as one voter in each
    of its pairs; the votes are not independent, so no standard error is given.

    References
    ----------
    Bradley and Terry 1952, Biometrika 39, p. 324; Ford 1957, American Mathematical Monthly 64,
    p. 28 (existence); Hunter 2004, Annals of Statistics 32, p. 384 (algorithm).
    """
    values, flags = checked_scores(scores, known, n_dimensions=2)
    if values.shape[0] == 0:
        raise ValueError("expected at least one model, got none")
    wins = _wins(values, flags, checked_tolerance(tolerance))
    reason = _why_not(wins)
    log_strengths, n_iterations = (None, 0) if reason else _maximise(wins)
    if reason is None and log_strengths is None:
        reason = f"no convergence after {n_iterations} steps"
    return BradleyTerry(
        log_strengths=None if log_strengths is None else tuple(log_strengths.tolist()),
        wins=tuple(tuple(row) for row in wins.tolist()),
        reason=reason,
        n_iterations=n_iterations,
    )


def _wins(scores: Floats, known: Flags, tolerance: float) -> Floats:
    """(n, n) wins of row over column, a tie as one half, the diagonal 0."""
    n_models = scores.shape[0]
    wins = np.zeros((n_models, n_models))
    for model in range(n_models):
        gap, compared = scores[model] - scores, known[model] & known
        ahead = (compared & (gap > tolerance)).sum(axis=1)
        tied = (compared & (np.abs(gap) <= tolerance)).sum(axis=1)
        wins[model] = ahead + tied / 2
    np.fill_diagonal(wins, 0.0)
    return wins


def _why_not(wins: Floats) -> str | None:
    """Why the likelihood has no maximum, in models that are never beaten by, or never beat, the rest."""
    reach = (wins > 0) | np.eye(wins.shape[0], dtype=np.bool_)
    for middle in range(wins.shape[0]):
        reach = reach | (reach[:, [middle]] & reach[[middle], :])
    if reach.all():
        return None
    model = int(np.flatnonzero(~reach.all(axis=1))[0])
    unreached = np.flatnonzero(~reach[model]).tolist()
    return f"no chain of wins leads from model {model} to model(s) {', '.join(map(str, unreached))}"


def _maximise(wins: Floats) -> tuple[Floats | None, int]:
    """Log strengths with mean 0 by minorize-maximize steps, and the number of steps."""
    n_compared, total_wins = wins + wins.T, wins.sum(axis=1)
    allowed = LARGEST_RESIDUAL * total_wins.max()
    strengths = np.ones(wins.shape[0])
    for step in range(MOST_ITERATIONS):
        rates = n_compared / (strengths[:, None] + strengths[None, :])
        expected = strengths * rates.sum(axis=1)
        if np.abs(expected - total_wins).max() <= allowed:
            logs = np.log(strengths)
            return logs - logs.mean(), step
        strengths = total_wins / rates.sum(axis=1)
        strengths /= np.exp(np.log(strengths).mean())
    return None, MOST_ITERATIONS
