"""What is asked of a bulk move, and what can become of a user in it. Moves nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from lookup.assignment import Assignment
from lookup.move_list import Wish
from lookup.move_targets import Stays
from lookup.moves import Move, Step
from lookup.ports import StoreUnavailableError


class Fate(StrEnum):
    """What became of a user.

    MOVED     it arrived, in this run
    THERE     nothing was to be done: it lives there, or this operation has moved it before
    REFUSED   its move was not begun
    GIVEN_UP  its move was begun, and the user is back where it was
    OPEN      its move is under way, and somebody else carries it out
    """

    MOVED = "moved"
    THERE = "there"
    REFUSED = "refused"
    GIVEN_UP = "given-up"
    OPEN = "open"


FAILURES: Final = frozenset({Fate.REFUSED, Fate.GIVEN_UP, Fate.OPEN})


class Stop(StrEnum):
    """Why no more moves begin. NOT: the list was gone through to its end, or to its limit."""

    NOT = "not"
    ASKED = "asked"
    FAILURES = "failures"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Ending:
    """target  where the user is now, or should have gone; "" when none was chosen
    reason  for failures
    source  the cell from which it was moved, or was to be; "" when no move ended
    """

    wish: Wish
    fate: Fate
    target: str = ""
    reason: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """What is the same for every user.

    operation   of the whole; see member_operation
    parallel    most moves under way at once
    most        most users that the operation may move in all, over all its runs; None: all
    share       of the moves that this run ended; when more have failed, no more begin
    leaving     the cell that all of them leave, "" when they may be anywhere
    former      how the names of operations begin whose open moves out of that cell are carried on, too: a
                cell's operation has another name once its flag has changed; "" none
    """

    operation: str
    copy_hook: str = ""
    verify_hook: str = ""
    author: str = ""
    reason: str = ""
    parallel: int = 16
    most: int | None = None
    share: float = 0.1
    leaving: str = ""
    former: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why the run ended; `failure` is what the store said when it was the store."""

    stop: Stop
    failure: StoreUnavailableError | None = None


def member_operation(bulk: str, key: str) -> str:
    """The operation id of one user's move within the bulk, in ASCII."""
    return f"{bulk}/{quote(key, safe=':@')}"


def unknown(wish: Wish) -> Ending:
    """Of a user who is nowhere."""
    return Ending(wish, Fate.REFUSED, wish.target, "has no home")


def staying(wish: Wish, record: Assignment, verdict: Stays) -> Ending:
    """Of a user that is not moved."""
    if verdict.content:
        return Ending(wish, Fate.THERE, record.cell)
    return Ending(wish, Fate.REFUSED, wish.target, verdict.reason)


def bound_elsewhere(wish: Wish, target: str) -> Ending:
    """Of a user whom this operation moves to `target`, by another line of its list."""
    return Ending(wish, Fate.REFUSED, wish.target, f"is moved to {target} by this operation")


def known_before(wish: Wish, move: Move, record: Assignment) -> Ending | None:
    """Of a user whose move this operation has noted before; None: that move is still to be carried on.

    A repeated operation is the same one: what it has done it does not do again.
    """
    target = move.order.target
    if wish.target not in ("", target):
        return bound_elsewhere(wish, target)
    if not move.is_over:
        return None
    if move.step is not Step.DONE:
        return Ending(wish, Fate.REFUSED, target, f"was given up by this operation before: {move.detail}")
    if record.cell != target:
        return Ending(wish, Fate.REFUSED, target, f"was moved to {target} by this operation, and has left it")
    return Ending(wish, Fate.THERE, target)
