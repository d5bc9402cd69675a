"""Two decisions on one claim, here and on a baseline: what changed, in which configurations, and which factors turn it."""

from __future__ import annotations

from collections.abc import Sequence

from safetyrepro.analysis import Analysis
from safetyrepro.errors import ClaimError
from safetyrepro.gate import Tester, decide, differing, satisfied
from safetyrepro.scope import Scope, claim_scope
from safetyrepro.verdicts import Claim, ClaimChange, ClaimResult, ConfigurationVerdict, Decision


def compare(results: Sequence[ClaimResult], analysis: Analysis, baseline: Analysis, tester: Tester) -> tuple[ClaimChange, ...]:
    """Say of each decided claim how it differs from the baseline.

    Parameters
    ----------
    results : sequence of ClaimResult
        Decisions on `analysis`, in the order of the claims.
    analysis, baseline : Analysis
        What the claims are held against, now and before.
    tester : callable
        Tests supported claims on the baseline.

    Returns
    -------
    tuple of ClaimChange
        A claim that names what the baseline does not hold has `before` None and the reason.
    """
    readable: dict[int, Scope] = {}
    refused: dict[int, str] = {}
    for i, result in enumerate(results):
        try:
            readable[i] = claim_scope(result.claim, baseline)
        except ClaimError as error:
            refused[i] = error.found
    decided = dict(zip(readable, decide([results[i].claim for i in readable], baseline, tester), strict=True))
    return tuple(
        _change(result, claim_scope(result.claim, analysis), readable[i], decided[i])
        if i in readable
        else _unreadable(result, refused[i])
        for i, result in enumerate(results)
    )


def _unreadable(result: ClaimResult, found: str) -> ClaimChange:
    return ClaimChange(
        before=None,
        after=result.decision,
        turned=(),
        regained=(),
        n_new=result.n_configurations,
        n_gone=0,
        flips=result.flips,
        reason=f"the baseline cannot answer it: {found}",
    )


def _change(result: ClaimResult, here: Scope, there: Scope, before: ClaimResult) -> ClaimChange:
    old = {entry.digest: _told(result.claim, there, entry) for entry in there.entries}
    new = {entry.digest: _told(result.claim, here, entry) for entry in here.entries}
    turned = [entry for entry in here.entries if old.get(entry.digest) is True and new[entry.digest] is False]
    regained = [entry for entry in here.entries if old.get(entry.digest) is False and new[entry.digest] is True]
    n_new, n_gone = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    flips = _flips(result, here, there)
    return ClaimChange(
        before=before.decision,
        after=result.decision,
        turned=tuple(here.witness(entry) for entry in turned),
        regained=tuple(here.witness(entry) for entry in regained),
        n_new=n_new,
        n_gone=n_gone,
        flips=flips,
        reason=_reason(before.decision, result.decision, len(turned), n_new, flips=flips),
    )


def _told(claim: Claim, scope: Scope, entry: ConfigurationVerdict) -> bool | None:
    value = scope.difference(entry)
    return None if value is None else satisfied(value + claim.margin, claim.relation)


def _flips(result: ClaimResult, here: Scope, there: Scope) -> tuple[str, ...]:
    """Empty also where the witness itself satisfied the claim in the baseline: then no factor did it."""
    good = [entry.settings for scope in (here, there) for entry in scope.entries if _told(result.claim, scope, entry) is True]
    if not result.witness or not good:
        return ()
    return min((differing(result.witness[0].settings, settings) for settings in good), key=len)


def _reason(before: Decision, after: Decision, n_turned: int, n_new: int, *, flips: tuple[str, ...]) -> str:
    if before is after:
        return f"as in the baseline: {after.value}"
    told = f"{before.value} in the baseline, {after.value} now"
    if n_turned:
        told += f"; {_configurations(n_turned)} that satisfied it contradict{'s' if n_turned == 1 else ''} it now, under the same settings"
    elif flips and after is Decision.REFUTED:
        told += f"; flip set {{{', '.join(flips)}}}"
    return f"{told}; {_configurations(n_new)} {'is' if n_new == 1 else 'are'} new" if n_new else told


def _configurations(count: int) -> str:
    return f"{count} configuration{'' if count == 1 else 's'}"
