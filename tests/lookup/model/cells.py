"""What is under way to the cells, and what must never reach them: a write behind the copy of its user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lookup.moves import Move, Step

_COPIED: tuple[Step, ...] = (Step.COPYING, Step.VERIFYING, Step.COMMITTING)


@dataclass(eq=False)
class Request:
    """An unsafe request that was let through to `cell`; `leased`: by what the worker remembers, else by what
    the truth said."""

    key: str
    cell: str
    epoch: int
    leased: bool
    begun_at_s: float
    sent: bool = False


@dataclass
class Cells:
    """`copying` are users and cells whose copy has begun; `working` what cells do for nobody any more."""

    copying: set[tuple[str, str]] = field(default_factory=set)
    working: list[tuple[str, str, float]] = field(default_factory=list)

    def send(self, request: Request) -> None:
        """The write leaves for the cell."""
        request.sent = True
        assert (request.key, request.cell) not in self.copying, (
            f"a write of {request.key} goes to {request.cell} after the copy began"
        )

    def cut_off(self, request: Request, until_s: float) -> None:
        """The cell does not know that nobody waits any more, and works on."""
        self.working.append((request.key, request.cell, until_s))

    def copy_begins(self, move: Move, under_way: Iterable[Request], now_s: float) -> None:
        """No write that was let through may be under way to the source, now or later."""
        key, source = move.order.key, move.source
        for request in under_way:
            assert (request.key, request.cell) != (key, source), (
                f"a write of {key} is under way to {source} as the copy begins"
            )
        for working_key, cell, until_s in self.working:
            assert not ((working_key, cell) == (key, source) and until_s > now_s), (
                f"{source} still works on a write of {key} as the copy begins"
            )
        self.copying.add((key, source))

    def note_ends(self, open_moves: Iterable[Move]) -> None:
        """Whoever is at home again, or in another cell, may be written to."""
        self.copying &= {(move.order.key, move.source) for move in open_moves if move.step in _COPIED}
