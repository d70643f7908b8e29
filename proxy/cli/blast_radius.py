"""What to warn of before users are moved: new ones who still come to the cell, targets that get too many."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from lookup.placement import FEW_USERS, CellRoom, ShareLimits
from lookup.placer import PlacementPlan

STOP_NEW_USERS: Final = (
    "set `weight: 0` for it in the cells file and send SIGHUP to what places users, then begin"
)


def new_users_still_come(plan: PlacementPlan, leaving: str, closed: Collection[str]) -> Iterator[str]:
    """Of a cell that is to be empty in the end."""
    for cell in plan.cells:
        if cell.name == leaving and cell.weight > 0 and leaving not in closed:
            yield f"{leaving} still gets new users, and some may be missed: {STOP_NEW_USERS}"


def too_many_then(to: Mapping[str, int], users: Mapping[str, int], limits: ShareLimits) -> Iterator[str]:
    """`to` is how many go into each cell, `users` how many live in each now."""
    for name in sorted(to):
        count = users.get(name, 0) + to[name]
        if share := _alarming(count, sum(users.values()), limits):
            yield f"{name} will then have {share}"


def too_many_on_average(
    targets: Sequence[CellRoom], moving: int, users: Mapping[str, int], limits: ShareLimits
) -> Iterator[str]:
    """The same as long as it isn't known who goes where: one target at least will have as many as that."""
    if not targets or not moving:
        return
    names = " or ".join(cell.name for cell in targets)
    count = (moving + sum(users.get(cell.name, 0) for cell in targets)) // len(targets)
    if share := _alarming(count, sum(users.values()), limits):
        least = "at least " if len(targets) > 1 else ""
        yield f"{names} will then have {least}{share}"


def possible_targets(
    plan: PlacementPlan, named: Sequence[str], leaving: str, closed: Collection[str]
) -> list[CellRoom]:
    """Those that are named, or else where users of the cell that is left may go; none if that isn't known."""
    law = {cell.jurisdiction for cell in plan.cells if cell.name == leaving}
    return [
        cell
        for cell in plan.cells
        if (
            cell.name in named if named else cell.jurisdiction in law and cell.weight > 0 and not cell.tenants
        )
        and cell.name != leaving
        and cell.name not in closed
    ]


def _alarming(count: int, total: int, limits: ShareLimits) -> str:
    """Unlike for `cells list`, few cells are no excuse: whoever gives one cell so many should know it."""
    if count <= FEW_USERS or count <= limits.warning * total:
        return ""
    return f"{count / total:.1%} of all users, more than {limits.warning:.0%} (placement.share_warning)"
