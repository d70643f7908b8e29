"""The log of moves: what the driver needs so that none is forgotten, done twice or driven by two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lookup.assignment import Assignment
from lookup.moves import Event, Move, MoveOrder, Position


class MoveInProgressError(Exception):
    """The key is being moved by another operation; `move` is that one."""

    def __init__(self, move: Move) -> None:
        super().__init__(f"{move.order.key} is being moved already, by operation {move.order.operation}")
        self.move = move


class MoveTakenError(Exception):
    """Somebody else carries the move out, or has carried it on meanwhile."""

    def __init__(self, operation: str, holder: str) -> None:
        by = f"by {holder}" if holder else "by somebody else"
        super().__init__(f"operation {operation} is carried out {by}")
        self.operation = operation
        self.holder = holder


class MoveLog(Protocol):
    """Every move there ever was. Every method raises StoreUnavailableError."""

    async def note_move(
        self,
        order: MoveOrder,
        record: Assignment,
        now_s: float,
        holder: str = "",
        held_until_s: float = 0.0,
    ) -> Move:
        """The move of this operation id: noted now (INTENDED, from this record), or found as it is.

        holder  who carries it out at once, and holds it until then; as by `hold_move`
        Raises MoveInProgressError when another operation's move of the key is open.
        """

    async def move(self, operation: str) -> Move | None:
        """The move of this operation id, if there is one."""

    async def moves(self, *, open_only: bool, limit: int, after: Move | None = None) -> Sequence[Move]:
        """The moves, the one noted last first, of those noted at once the one of the lower operation id.

        after  only those that come after this one; it may be over meanwhile
        """

    async def moves_of(self, key: str) -> Sequence[Move]:
        """The moves of one key, the one noted last first."""

    async def noted_under(self, bulk: str) -> int:
        """How many moves were ever noted whose operation ids are `bulk`, a slash, and more."""

    async def hold_move(self, operation: str, holder: str, now_s: float, until_s: float, steal: bool) -> Move:
        """Carry the move out until then; extends one's own hold. Raises MoveTakenError if another holds it.

        `steal` takes it from whoever holds it: their next `advance_move` fails. One that is over is held by
        nobody, and told as it is.
        """

    async def begin_attempt(self, move: Move, holder: str) -> Move:
        """The move with the next number of an attempt, which no other run of its hooks has or will have.

        Raises MoveTakenError when its step or holder is another meanwhile.
        """

    async def release_move(self, operation: str, holder: str, detail: str) -> None:
        """Hold it no longer, leaving word why; nothing happens when it is another's."""

    async def advance_move(
        self,
        move: Move,
        event: Event,
        holder: str,
        now_s: float,
        detail: str = "",
        fence: Position | None = None,
    ) -> Move:
        """The move after the event. Raises MoveTakenError when its step or holder is another meanwhile."""

    async def past(self, key: str) -> Sequence[Assignment]:
        """What the key's record was, oldest first, as far back as the store was asked to remember."""
