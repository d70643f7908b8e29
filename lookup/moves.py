"""One user's move from cell to cell as a table: which step follows which. Does nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from lookup.assignment import Assignment, State


class Step(StrEnum):
    """How far a move is, as the log says. The truth is never more than one write ahead of it.

    INTENDED    noted; the record is about to become MOVING
    FENCING     the record is MOVING; workers still have to acknowledge it
    COPYING     no worker lets a write through any more; the copy hook runs, or ran with unknown end
    VERIFYING   the copy is complete; the verify hook runs, or ran
    COMMITTING  verified; the record is about to be PLACED in the target. Nobody can give it up any more
    DONE        the target is the home
    RETURNING   given up; the record is about to be PLACED where it was
    ABORTED     the source is the home
    """

    INTENDED = "intended"
    FENCING = "fencing"
    COPYING = "copying"
    VERIFYING = "verifying"
    COMMITTING = "committing"
    DONE = "done"
    RETURNING = "returning"
    ABORTED = "aborted"


class Event(StrEnum):
    """What ends a step. See `past_missing_hooks`: a step without a hook is left out.

    OVERTAKEN   somebody else changed the record, so that there is nothing left to do
    EXPIRED     it was left alone on its last step until workers may have forgotten that the user moves
    """

    FENCED = "fenced"
    ACKNOWLEDGED = "acknowledged"
    COPIED = "copied"
    VERIFIED = "verified"
    COMMITTED = "committed"
    GIVEN_UP = "given-up"
    EXPIRED = "expired"
    RETURNED = "returned"
    OVERTAKEN = "overtaken"


TRANSITIONS: Final[Mapping[tuple[Step, Event], Step]] = {
    (Step.INTENDED, Event.FENCED): Step.FENCING,
    (Step.INTENDED, Event.OVERTAKEN): Step.ABORTED,
    (Step.FENCING, Event.ACKNOWLEDGED): Step.COPYING,
    (Step.FENCING, Event.COPIED): Step.VERIFYING,
    (Step.FENCING, Event.VERIFIED): Step.COMMITTING,
    (Step.COPYING, Event.COPIED): Step.VERIFYING,
    (Step.COPYING, Event.VERIFIED): Step.COMMITTING,
    (Step.VERIFYING, Event.VERIFIED): Step.COMMITTING,
    (Step.COMMITTING, Event.COMMITTED): Step.DONE,
    (Step.COMMITTING, Event.OVERTAKEN): Step.ABORTED,
    (Step.INTENDED, Event.GIVEN_UP): Step.RETURNING,
    (Step.FENCING, Event.GIVEN_UP): Step.RETURNING,
    (Step.COPYING, Event.GIVEN_UP): Step.RETURNING,
    (Step.VERIFYING, Event.GIVEN_UP): Step.RETURNING,
    (Step.COMMITTING, Event.EXPIRED): Step.RETURNING,
    (Step.RETURNING, Event.RETURNED): Step.ABORTED,
}

OVER: Final = frozenset({Step.DONE, Step.ABORTED})
"""Steps that nothing follows."""


def next_step(step: Step, event: Event) -> Step:
    """The step that follows. Raises ValueError for an event that can't happen there."""
    try:
        return TRANSITIONS[step, event]
    except KeyError:
        raise ValueError(f"a move that is {step} can't be {event}") from None


def may_give_up(step: Step) -> bool:
    """Whether the user can still stay where it was."""
    return (step, Event.GIVEN_UP) in TRANSITIONS


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the change feed; see ports.Change."""

    generation: str
    sequence: int


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """What an operator asks for; the same `operation` is the same move, however often it is asked for.

    copy_hook    what copies the user's bytes, "" for nothing to copy; verify_hook looks whether all arrived
    """

    operation: str
    key: str
    target: str
    copy_hook: str = ""
    verify_hook: str = ""
    author: str = ""
    reason: str = ""


def past_missing_hooks(order: MoveOrder, event: Event) -> Event:
    """What the event comes to for this order: where a hook is missing, the one that would end its step."""
    if event is Event.ACKNOWLEDGED and not order.copy_hook:
        event = Event.COPIED
    if event is Event.COPIED and not order.verify_hook:
        event = Event.VERIFIED
    return event


@dataclass(frozen=True, slots=True)
class Move:
    """A move as its log knows it.

    source, epoch, jurisdiction  of the record when the move was noted
    begun_at_s, changed_at_s     Unix seconds: when it was noted, and when its step last changed
    detail                       why it was given up, or what the last attempt at the step met
    holder, held_until_s         who carries it out, and until when (Unix seconds) nobody else may; "" nobody
    fence                        where the feed says that the record is MOVING; None before FENCING
    attempt                      how many runs of its hooks were begun; each is told which one it is
    """

    order: MoveOrder
    source: str
    jurisdiction: str
    epoch: int
    step: Step
    begun_at_s: float
    changed_at_s: float
    detail: str = ""
    holder: str = ""
    held_until_s: float = 0.0
    fence: Position | None = None
    attempt: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.step in OVER

    def moving(self, now_s: float) -> Assignment:
        """The record while the user is between the cells."""
        return Assignment(
            self.order.key,
            self.source,
            self.jurisdiction,
            self.epoch + 1,
            State.MOVING,
            self.order.target,
            now_s,
        )

    def arrived(self, now_s: float) -> Assignment:
        """The record after the move."""
        return Assignment(
            self.order.key, self.order.target, self.jurisdiction, self.epoch + 2, updated_at_s=now_s
        )

    def owns(self, record: Assignment | None) -> bool:
        """Whether the record is MOVING by this move: only one of a key's moves is open at a time."""
        return (
            record is not None
            and record.state is State.MOVING
            and record.epoch == self.epoch + 1
            and record.moved_to == self.order.target
        )

    def returned(self, record: Assignment, now_s: float) -> Assignment | None:
        """The record after giving up, from what it is now. None: this move can't touch it any more.

        Also a record that is not MOVING yet gets another epoch, so that a write on its way comes too late.
        """
        if record.epoch != self.epoch and not self.owns(record):
            return None
        return Assignment(record.key, self.source, self.jurisdiction, record.epoch + 1, updated_at_s=now_s)


def intended(order: MoveOrder, record: Assignment, now_s: float, holder: str, held_until_s: float) -> Move:
    """The move of that record as it is noted first; `holder` as in `Move`."""
    return Move(
        order,
        record.cell,
        record.jurisdiction,
        record.epoch,
        Step.INTENDED,
        now_s,
        now_s,
        holder=holder,
        held_until_s=held_until_s,
    )


def advanced(move: Move, event: Event, now_s: float, detail: str, fence: Position | None) -> Move:
    """The move after the event; one that is over nobody holds any more. Raises ValueError as `next_step`."""
    after = replace(
        move,
        step=next_step(move.step, event),
        changed_at_s=now_s,
        detail=detail,
        fence=fence or move.fence,
    )
    return replace(after, holder="", held_until_s=0.0) if after.is_over else after
