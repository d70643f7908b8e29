"""Chooses where each of many users is moved to: never against the law, never to a cell that takes nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lookup.assignment import Assignment
from lookup.placement import CellRoom, Newcomer, NoRoom, Occupancy, choose
from lookup.placer import PlacementPlan


@dataclass(frozen=True, slots=True)
class Stays:
    """The user is not moved. `reason` is the same text for all to whom the same applies.

    content  it lives where it should
    """

    reason: str
    content: bool = False


class Targets:
    """Remembers whom it has sent where, so that cells fill up evenly.

    candidates  cells among which to choose for users without a wish of their own; None: all
    leaving     the cell that is being emptied, which nobody is sent to; "" none
    users       how many live in each cell now
    closed      cells that take nobody now; to be kept up to date
    """

    def __init__(
        self,
        plan: PlacementPlan,
        candidates: Sequence[str] | None,
        leaving: str,
        users: Mapping[str, int],
        closed: Collection[str],
    ) -> None:
        self.closed = closed
        self._plan = plan
        self._cells = {cell.name: cell for cell in plan.cells}
        self._candidates = None if candidates is None else frozenset(candidates)
        self._leaving = leaving
        self._users = Counter(users)

    def know_users(self, users: Mapping[str, int]) -> None:
        """How many live in each cell, counted again, or for the first time; before the next one is chosen."""
        self._users = Counter(users)

    def choose(self, record: Assignment, wanted: str) -> str | Stays:
        """The cell that this user should be moved to; `wanted` is "" when the user has no wish of its own."""
        if record.moved_to:
            return Stays(f"is being moved to {record.moved_to} already")
        if record.jurisdiction not in self._plan.laws:
            return Stays(f"is under the law of {record.jurisdiction}, of which the config knows nothing")
        only = wanted or self._only_candidate()
        target = self._wanted(record, only) if only else self._free_choice(record)
        if not isinstance(target, Stays):
            self._users[record.cell] -= self._users[record.cell] > 0
            self._users[target] += 1
        return target

    def _only_candidate(self) -> str:
        return next(iter(self._candidates)) if self._candidates and len(self._candidates) == 1 else ""

    def _wanted(self, record: Assignment, wanted: str) -> str | Stays:
        """A named cell is taken at its word: how full it is, is for whoever names it to know."""
        cell = self._cells.get(wanted)
        if cell is None:
            return Stays(f"is wanted in `{wanted}`, but there is no such cell")
        if record.cell == wanted:
            return Stays(f"is at home in {wanted}", content=True)
        if wanted == self._leaving:
            return Stays(f"is wanted in {wanted}, the cell that is to be left")
        if cell.jurisdiction not in self._plan.laws[record.jurisdiction]:
            return Stays(f"of {record.jurisdiction} may not live under the law of {cell.jurisdiction}")
        if wanted in self.closed:
            return Stays(f"is wanted in {wanted}, which is not serving")
        return wanted

    def _free_choice(self, record: Assignment) -> str | Stays:
        """Only under the law that the user is under already."""
        if self._candidates is not None and record.cell in self._candidates - {self._leaving}:
            return Stays(f"is at home in {record.cell}", content=True)
        rooms = [cell for cell in self._plan.cells if self._may_be_chosen(cell, record)]
        newcomer = Newcomer(record.key, (record.jurisdiction,))
        found = choose(newcomer, rooms, Occupancy(self._users, self.closed), self._plan.limits)
        return Stays(f"finds no room: {found}") if isinstance(found, NoRoom) else found.name

    def _may_be_chosen(self, cell: CellRoom, record: Assignment) -> bool:
        if cell.name in (record.cell, self._leaving):
            return False
        return self._candidates is None or cell.name in self._candidates
