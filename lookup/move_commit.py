"""Makes the target of a move its user's home, dated when that was done: claims are compared with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lookup.assignment import Assignment, State
from lookup.moves import Move
from lookup.ports import EpochConflictError, Store

_TIMES: Final = 3


async def commit(store: Store, move: Move, clock: Callable[[], float], late_s: float) -> str:
    """Write the home, whose time (`clock`, Unix seconds) is not older than `late_s` in the end.

    A time is looked at before it is written. Who was suspended between the two would tell workers of a move
    long ago: they would forget it before the last token that was issued until now, and believe that one.
    Returns why the user is no longer this move's, "" when its home is the target. Raises
    StoreUnavailableError: then this is to be asked for again.
    """
    present = move.arrived(clock())
    try:
        await store.compare_and_set(present, move.epoch + 1)
    except EpochConflictError as conflict:
        if conflict.current is None or not _has_arrived(move, conflict.current):
            return str(conflict)
        present = conflict.current
    for _ in range(_TIMES):
        now_s = clock()
        if now_s <= present.updated_at_s + late_s:
            break
        dated = replace(present, epoch=present.epoch + 1, updated_at_s=now_s, aliases=())
        try:
            await store.compare_and_set(dated, present.epoch)
        except EpochConflictError:
            break  # somebody wrote it since, and dated that
        present = dated
    return ""


def _has_arrived(move: Move, record: Assignment) -> bool:
    """While a move is open nothing else changes its user's cell."""
    return (
        record.cell == move.order.target and record.state is State.PLACED and record.epoch >= move.epoch + 2
    )
