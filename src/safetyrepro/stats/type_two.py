"""Type II analysis of variance on an incomplete or unbalanced grid, by projection with numerical rank.

With an empty cell the columns of an interaction are linearly dependent. Software that counts columns instead of dimensions then reports wrong sums of squares
(one well-known library gave .0297 instead of .0200 for one effect). Here each sum of squares is a difference of two projections, and each number of
degrees of freedom a difference of two ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.terms import NO_NESTING, Levels, Term, all_terms, closure, contains, own_factors
from safetyrepro.stats.units import FloatArray

_RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeTwoEffect:
    """One line of the table."""

    factors: Term
    """Indices of the factors of the term; with a nested factor also those it is nested in."""
    sum_of_squares: float
    """Reduction of the residual by the term, beyond all terms that do not contain it."""
    df: int
    """Dimensions that the term adds."""
    nominal_df: int
    """Dimensions it would add if no cell were empty."""
    omega_squared: float | None
    """Share of the total variance, corrected for its expectation without an effect; may be negative. None if saturated."""
    partial_omega_squared: float | None
    """Share of the variance that is not due to other terms, corrected; may be negative. None if saturated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeTwoAnova:
    """Type II table of a response over configurations."""

    effects: tuple[TypeTwoEffect, ...]
    """One line for each term of the model."""
    total_sum_of_squares: float
    """Corrected total of the data; the lines need not add up to it."""
    residual_sum_of_squares: float
    """Residual of the full model; 0 if saturated."""
    residual_df: int
    """Number of configurations less the rank of the full model."""
    mean_square_error: float | None
    """Residual mean square; None if the model is saturated, and then there is no omega squared either."""
    n_configurations: int
    """Number of configurations N."""


def type_two_anova(
    response: FloatArray,
    levels: Levels,
    *,
    terms: Sequence[Term] | None = None,
    nested: Mapping[int, int] = NO_NESTING,
) -> TypeTwoAnova:
    """Type II sums of squares with omega squared and partial omega squared.

    Parameters
    ----------
    response : (m,) float array
        Difference, verdict or score of each configuration that exists.
    levels : (m, n_factors) int array
        Level of every factor in every configuration; a combination may be absent or occur several times.
    terms : sequence of tuple of int, optional
        Terms of the model; by default main effects and interactions of two factors. A nested factor brings the factors it is nested in.
    nested : mapping of int to int
        Outer factor of each nested factor.

    Returns
    -------
    TypeTwoAnova

    Raises
    ------
    ValueError
        If the response is not finite or its length does not fit.

    Notes
    -----
    SS(T) = RSS(all terms that do not contain T) - RSS(these and T); df(T) the difference of the ranks; MS_E = RSS(full)/(N - rank(full));
    omega**2 = (SS - df MS_E)/(SS_total + MS_E); partial omega**2 = (SS - df MS_E)/(SS + (N - df) MS_E). Negative values are kept. The residual of
    a deterministic grid is not noise, so no F test is given. Projections use orthogonalisation in a fixed order without a linear-algebra
    library, so that the last bit does not depend on one.

    References
    ----------
    Langsrud 2003, Statistics and Computing 13, 163-167 (Type II); Olejnik and Algina 2003, Psychological Methods 8, 434-447 (omega squared).
    """
    if response.shape != levels.shape[:1] or not np.isfinite(response).all():
        raise ValueError(
            f"response has shape {response.shape} for {len(levels)} configurations; expected one finite number each"
        )
    if response.size == 0:
        raise ValueError("there is no configuration")
    chosen = _model(levels.shape[1], terms, nested)
    columns = {term: _indicators(levels, term) for term in chosen}
    y = response.astype(np.float64)
    full = _fit(y, [columns[term] for term in chosen])
    total = _fit(y, []).residual
    residual_df = y.size - full.rank
    error = full.residual / residual_df if residual_df > 0 else None
    fits = [_reduction(term, chosen, columns, y) for term in chosen]
    return TypeTwoAnova(
        effects=tuple(
            _line(term, fit, levels, nested, error=error, total=total) for term, fit in zip(chosen, fits, strict=True)
        ),
        total_sum_of_squares=total,
        residual_sum_of_squares=full.residual if residual_df > 0 else 0.0,
        residual_df=residual_df,
        mean_square_error=error,
        n_configurations=y.size,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """Residual sum of squares and rank of a projection."""

    residual: float
    rank: int


def _model(n_factors: int, terms: Sequence[Term] | None, nested: Mapping[int, int]) -> tuple[Term, ...]:
    """The terms of the model, closed under nesting, each once."""
    if terms is None:
        return all_terms(n_factors, nested, order=2)
    closed = {closure(term, nested) for term in terms if term}
    return tuple(sorted(closed, key=lambda term: (len(own_factors(term, nested)), len(term), term)))


def _indicators(levels: Levels, term: Term) -> FloatArray:
    """(m, n_cells) one column for each combination of levels that occurs."""
    cell = np.unique(levels[:, list(term)], axis=0, return_inverse=True)[1].ravel()
    return np.asarray(cell[:, None] == np.arange(cell.max() + 1), dtype=np.float64)


def _fit(y: FloatArray, blocks: Sequence[FloatArray]) -> _Fit:
    """Residual of y after a constant and all columns, by Gram-Schmidt with a second pass against loss of orthogonality."""
    basis = np.full((1, y.size), y.size**-0.5)
    for column in np.hstack([np.zeros((y.size, 0)), *blocks]).T:
        left = _without(_without(column, basis), basis)
        length = float(np.sqrt(np.sum(left * left)))
        if length > _RANK_TOLERANCE * float(np.sqrt(np.sum(column * column))):
            basis = np.vstack([basis, left / length])
    residual = _without(_without(y, basis), basis)
    return _Fit(residual=float(np.sum(residual * residual)), rank=len(basis))


def _without(vector: FloatArray, basis: FloatArray) -> FloatArray:
    """The vector less its projection on orthonormal rows; no linear-algebra library is called."""
    coordinates = np.sum(basis * vector, axis=1)
    return np.asarray(vector - np.sum(coordinates[:, None] * basis, axis=0), dtype=np.float64)


def _reduction(term: Term, chosen: Sequence[Term], columns: Mapping[Term, FloatArray], y: FloatArray) -> _Fit:
    """Sum of squares and dimensions of one term beyond all terms that do not contain it."""
    others = [columns[other] for other in chosen if other != term and not contains(other, term)]
    without, together = _fit(y, others), _fit(y, [*others, columns[term]])
    return _Fit(residual=max(0.0, without.residual - together.residual), rank=together.rank - without.rank)


def _line(
    term: Term, fit: _Fit, levels: Levels, nested: Mapping[int, int], *, error: float | None, total: float
) -> TypeTwoEffect:
    """One line of the table."""
    omega = partial = None
    if error is not None:
        excess = fit.residual - fit.rank * error
        remainder = fit.residual + (len(levels) - fit.rank) * error
        omega = excess / (total + error) if total + error > 0 else None
        partial = excess / remainder if remainder > 0 else None
    return TypeTwoEffect(
        factors=term,
        sum_of_squares=fit.residual,
        df=fit.rank,
        nominal_df=_nominal(levels, term, nested),
        omega_squared=omega,
        partial_omega_squared=partial,
    )


def _nominal(levels: Levels, term: Term, nested: Mapping[int, int]) -> int:
    """Product over own factors of levels less one; a nested factor counts its levels within each outer level."""
    owners = own_factors(term, nested)
    places = [factor for factor in term if factor not in owners]
    total = 0
    for place in np.unique(levels[:, places], axis=0):
        here = (levels[:, places] == place).all(axis=1)
        scope = {
            factor: here if set(closure((factor,), nested)) & set(places) else np.ones(len(levels), dtype=bool)
            for factor in owners
        }
        total += int(np.prod([len(np.unique(levels[scope[factor], factor])) - 1 for factor in owners]))
    return total
