"""Whether users under a law may live in a cell: one rule for commands and for the lookup service."""

from __future__ import annotations

from dataclasses import dataclass

from lookup.placer import PlacementPlan


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a user may not live in a cell, and what to do instead."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}"


def objection(plan: PlacementPlan, jurisdiction: str, cell_name: str) -> Objection | None:
    """What speaks against a user of that jurisdiction in that cell, None when nothing does.

    Flags and room are no matter of law: they are not looked at.
    """
    allowed = plan.laws.get(jurisdiction)
    if allowed is None:
        mend = f"the config's `residency` knows {', '.join(plan.laws)}"
        return Objection(f"there is no jurisdiction `{jurisdiction}`", mend)
    cell = next((cell for cell in plan.cells if cell.name == cell_name), None)
    if cell is None:
        mend = "name a cell of the cells file, or add it there and start again what reads it"
        return Objection(f"there is no cell `{cell_name}`", mend)
    if cell.jurisdiction not in allowed:
        what = f"{cell_name} is under the law of {cell.jurisdiction}"
        mend = f"choose a cell of {' or '.join(allowed)}: residency.{jurisdiction}.allow says so"
        return Objection(f"{what}, where users of {jurisdiction} may not live", mend)
    return None
