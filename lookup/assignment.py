"""The records of where a key lives and of which keys name it, as stores keep and caches copy them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

NO_EPOCH: Final = -1
"""An epoch that is older than every real one (real ones start at 1)."""


class State(IntEnum):
    """PLACED: at home in `cell`. MOVING: reads go to `cell`, unsafe methods wait, copy runs to `moved_to`."""

    PLACED = 0
    MOVING = 1


@dataclass(frozen=True, slots=True)
class Alias:
    """That a key has no home of its own but names the key that has: one step, never to another alias.

    key           e.g. `email:ann@example.org`; never a `user:` key
    home          the home key, e.g. `user:42`; "" once the key names nobody any more
    epoch         >= 1, grows by one with each change of this alias, never goes back
    updated_at_s  Unix seconds of the last change
    read_at_s     as of an Assignment
    """

    key: str
    home: str
    epoch: int
    updated_at_s: float = 0.0
    read_at_s: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class Assignment:
    """Where one home key lives.

    key           routing key, canonical text, e.g. `user:42`
    cell          name of the home cell, e.g. `eu-west-1-cell-03`
    jurisdiction  whose law the user's bytes are under, e.g. `eu`
    epoch         >= 1, grows by one with each change of the record, never goes back
    state         PLACED or MOVING
    moved_to      the target cell while MOVING, else ""
    updated_at_s  Unix seconds of the last change
    aliases       the keys that name this one, as far as a reading brought them along; no part of the record
    read_at_s     of a cached copy: Unix seconds by which the truth was asked for it; no part of the record
    """

    key: str
    cell: str
    jurisdiction: str
    epoch: int
    state: State = State.PLACED
    moved_to: str = ""
    updated_at_s: float = 0.0
    aliases: tuple[Alias, ...] = ()
    read_at_s: float = field(default=0.0, compare=False)


def check_epoch(new: Assignment | Alias, expected_epoch: int) -> None:
    """Raises ValueError when the new epoch is not higher, or the time of the change is missing."""
    if new.epoch <= max(expected_epoch, 0) or new.updated_at_s <= 0:
        raise ValueError(
            f"{new.key}: epoch {new.epoch} at {new.updated_at_s} s can't follow {expected_epoch}"
        )
