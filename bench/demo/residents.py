"""Whose data one sample cell has: the users it was seeded with, those that moved in, not those that left.

Does no I/O. A user is named by number; epochs are those of the user's record, as the edge tells them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Record:
    """One user's data. The locker code is drawn by one cell at the first visit: no other cell knows it."""

    locker: str = field(default_factory=lambda: secrets.token_hex(3))
    visits: int = 0


class Residents:
    """`is_seeded` tells whom the cell has had from the beginning."""

    def __init__(self, is_seeded: Callable[[int], bool]) -> None:
        self._is_seeded = is_seeded
        self._records: dict[int, Record] = {}
        self._since: dict[int, int] = {}

    def is_home(self, number: int, epoch: int) -> bool:
        """Whether a request that goes by this epoch is for a user who lives here.

        Whoever is on the way out is still served here while the edge knows of the move, and again when it was
        given up; an older epoch means that the edge does not know, and might write what is never copied.
        """
        since = self._since.get(number)
        return self._is_seeded(number) if since is None else epoch >= since

    def known_epoch(self, number: int) -> int:
        """The highest epoch that the cell has heard of outside of requests, 0 for none."""
        return self._since.get(number, 0)

    def record(self, number: int) -> Record:
        """The user's data, made at the first visit."""
        return self._records.setdefault(number, Record())

    def leave(self, number: int, epoch: int) -> Record | None:
        """The data of a user who is being moved away under this epoch; None: not at home here."""
        if number not in self._since and not self._is_seeded(number):
            return None
        self._since[number] = max(self.known_epoch(number), epoch)
        return self.record(number)

    def arrive(self, number: int, epoch: int, record: Record) -> None:
        """Keep the copied data of a user who is being moved here: at home with the next epoch."""
        self._since[number] = max(self.known_epoch(number), epoch + 1)
        self._records[number] = record
