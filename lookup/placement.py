"""Chooses a cell for a user: by law, then tenant, then room and weight. Pure: reads and writes nothing.

The same facts give the same cell, so that two edges which place a user at once mostly agree by themselves;
where their facts differ, lookup.writer.place settles it, and the loser takes over the winner's home.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, log
from typing import Final

FEW_USERS: Final = 1000
"""A cell with fewer is no large blast radius, whatever its share; the first user of all has a share of 1."""

NOT_SERVING: Final = "is not serving"


@dataclass(frozen=True, slots=True)
class CellRoom:
    """What the inventory says of a cell.

    weight    how many new users it gets, relative to the others; 0: none
    capacity  most users it may have, None: no bound of its own
    tenants   those whose own cell it is: it gets their users and nobody else's. Empty: it is everybody's
    """

    name: str
    jurisdiction: str
    weight: float = 1.0
    capacity: int | None = None
    tenants: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """Shares of all users, 0 to 1. A cell above `warning` is passed over while another has room; one at `cap`
    gets no more users. None: no cap."""

    warning: float = 0.2
    cap: float | None = None


@dataclass(frozen=True, slots=True)
class Occupancy:
    """users   how many live in each cell
    closed  cells that take nobody now: every flag but `serving`
    """

    users: Mapping[str, int] = field(default_factory=dict)
    closed: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Newcomer:
    """laws    jurisdictions whose cells may have the user, the preferred first
    tenant  whose user it is, "" for nobody's
    """

    key: str
    laws: Sequence[str]
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class NoRoom:
    """No cell may take the user; `reasons` says why, by the name of each cell of its laws."""

    reasons: Mapping[str, str]

    def __str__(self) -> str:
        if not self.reasons:
            return "there is no cell under the user's law"
        return "; ".join(f"{name} {reason}" for name, reason in self.reasons.items())


def choose(
    newcomer: Newcomer, cells: Sequence[CellRoom], occupancy: Occupancy, limits: ShareLimits
) -> CellRoom | NoRoom:
    """The cell that the user should live in.

    The first law that has a cell with room decides. There, cells below the warning go before the others, and
    among them users are spread by weight, times the part of the capacity that is free.
    """
    permitted = [cell for cell in cells if cell.jurisdiction in newcomer.laws]
    own = [cell for cell in permitted if newcomer.tenant and newcomer.tenant in cell.tenants]
    suited = own or [cell for cell in permitted if not cell.tenants]
    total = sum(occupancy.users.values())
    for law in newcomer.laws:
        under_law = [cell for cell in suited if cell.jurisdiction == law]
        open_cells = [cell for cell in under_law if not _objection(cell, occupancy, total, limits)]
        if open_cells:
            return _draw(newcomer.key, open_cells, occupancy.users, total, limits.warning, len(cells))
    if not suited:
        return NoRoom({cell.name: "is kept for other tenants" for cell in permitted})
    return NoRoom({cell.name: _objection(cell, occupancy, total, limits) for cell in suited})


def is_above(share: float, users: int, total: int, cells: int) -> bool:
    """Whether a cell with so many of all users has more than that share, where so many cells could keep it.

    Of five cells one has a fifth of the users at least: that says nothing of it.
    """
    return cells * share > 1 and _exceeds(share, users, total)


def _exceeds(share: float, users: int, total: int) -> bool:
    return users > FEW_USERS and users > share * total


def _objection(cell: CellRoom, occupancy: Occupancy, total: int, limits: ShareLimits) -> str:
    """Why the cell can't take one more user, "" when it can."""
    users = occupancy.users.get(cell.name, 0)
    if cell.name in occupancy.closed:
        return NOT_SERVING
    if cell.weight <= 0:
        return "has weight 0"
    if cell.capacity is not None and users >= cell.capacity:
        return f"is full ({users} of {cell.capacity} users)"
    if limits.cap is not None and _exceeds(limits.cap, users + 1, total + 1):
        return f"has {users / total:.1%} of all users, the cap is {limits.cap:.1%}"
    return ""


def _draw(
    key: str, cells: Sequence[CellRoom], users: Mapping[str, int], total: int, warning: float, all_cells: int
) -> CellRoom:
    """Weighted rendezvous hashing: a cell that comes, goes or fills up changes the draw of few keys."""
    small = [
        cell for cell in cells if not is_above(warning, users.get(cell.name, 0) + 1, total + 1, all_cells)
    ]
    return min(small or cells, key=lambda cell: (_distance(key, cell, users), cell.name))


def _distance(key: str, cell: CellRoom, users: Mapping[str, int]) -> float:
    """Exponentially distributed with the cell's weight as rate: the least of several is so in proportion."""
    weight = cell.weight
    if cell.capacity is not None:
        weight *= 1 - users.get(cell.name, 0) / cell.capacity
    if weight <= 0:
        return inf
    digest = blake2b(f"{key}\0{cell.name}".encode(), digest_size=8).digest()
    return -log((int.from_bytes(digest, "big") + 0.5) / 2**64) / weight


def warnings(
    users: Mapping[str, int], cells: Sequence[CellRoom], limits: ShareLimits
) -> Iterator[tuple[str, str]]:
    """Cells that have, or are about to have, too many users: the name and what is the matter."""
    total = sum(users.values())
    for cell in cells:
        count = users.get(cell.name, 0)
        if cell.capacity is not None and count >= cell.capacity:
            yield cell.name, f"has {count} users, its capacity is {cell.capacity}"
        elif limits.cap is not None and _exceeds(limits.cap, count + 1, total + 1):
            yield cell.name, f"has {count / total:.1%} of all users, the cap is {limits.cap:.1%}"
        elif is_above(limits.warning, count, total, len(cells)):
            yield cell.name, f"has {count / total:.1%} of all users, more than {limits.warning:.0%}"
