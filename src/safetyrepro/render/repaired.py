"""Repaired claims as text and as JSON; "found after looking" stands before everything that was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetyrepro.render.console import clean, settings_text

if TYPE_CHECKING:
    from rich.console import Console

    from safetyrepro.confirmation import Confirmation, ConfirmedClaim
    from safetyrepro.repair import Conditions, Repair, RepairedClaim

WIDE = 400


def repair_json(found: Repair, confirmed: Confirmation | None) -> str:
    """Both as one JSON document."""
    from pydantic import TypeAdapter

    from safetyrepro.confirmation import Confirmation
    from safetyrepro.repair import Repair

    document = {
        "repair": TypeAdapter(Repair).dump_python(found, mode="json"),
        "confirmation": TypeAdapter(Confirmation).dump_python(confirmed, mode="json") if confirmed else None,
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def print_repair(found: Repair, confirmed: Confirmation | None) -> None:
    """Print where a claim is true, how surely, and what other items say."""
    from rich.console import Console

    console = Console(highlight=False)
    result = found.result
    console.print(f"\n[bold]{result.decision.value}[/bold]  {clean(result.claim.sentence, WIDE)}")
    console.print(f"  {clean(result.reason, WIDE)}")
    if not found.repaired:
        console.print("No condition on the factors makes it true: there is no part of this envelope to claim.\n")
        return
    more = "" if len(found.repaired) == found.n_found else f", the first {len(found.repaired)} of {found.n_found}"
    console.print(f"\n[bold]{found.label.capitalize()}[/bold]: the largest parts in which it is true{more}.")
    for number, entry in enumerate(found.repaired, start=1):
        _print_part(console, number, entry, found.level)
    console.print(f"[dim]{_note(found)} Scores that suggested a part do not confirm it.[/dim]")
    if confirmed is not None:
        _print_confirmation(console, confirmed)
    console.print()


def _note(found: Repair) -> str:
    if any(entry.low is not None for entry in found.repaired):
        return f"The limits hold for every part of the envelope at once ({found.level:.0%}), so choosing a part does not spoil them."
    return "No limits: they need 50 items or clusters, scores that are means, and a claim about each configuration."


def conditions_text(conditions: Conditions) -> str:
    """Conditions in words."""
    told = [f"{clean(factor)}={clean(','.join(levels), WIDE)}" for factor, levels in conditions]
    return " and ".join(told) or "no condition: it holds as it stands"


def _print_part(console: Console, number: int, entry: RepairedClaim, level: float) -> None:
    console.print(f"  {number}. [bold]{conditions_text(entry.conditions)}[/bold]")
    number = entry.result.n_configurations
    told = f"{number} configuration{'' if number == 1 else 's'} ({entry.share:.0%} of the claim's)"
    if entry.smallest_margin is not None and entry.weakest is not None:
        told += f"; smallest margin {entry.smallest_margin:+.4f} under {settings_text(entry.weakest)}"
    console.print(f"     {told}")
    if entry.low is not None and entry.high is not None:
        word = "the items bear it" if entry.low > 0 else "the items do not bear it"
        console.print(f"     [dim]{word}: {level:.0%} limits of that margin {entry.low:+.4f} to {entry.high:+.4f}[/dim]")


def _print_confirmation(console: Console, confirmed: Confirmation) -> None:
    console.print(
        f"\n[bold]Confirmation[/bold]: looked for on {confirmed.n_found_on} clusters of items, tested on the other "
        f"{confirmed.n_tested_on} (seed {confirmed.seed}); {len(confirmed.tested)} of {confirmed.n_found} parts tested."
    )
    for entry in confirmed.tested:
        _print_confirmed(console, entry)
    if not confirmed.tested:
        console.print("  On the first half it is true in no part of the envelope.")


def _print_confirmed(console: Console, entry: ConfirmedClaim) -> None:
    console.print(f"  [bold]{entry.result.decision.value}[/bold]  {conditions_text(entry.conditions)}")
    console.print(f"     {clean(entry.result.reason, WIDE)}")
