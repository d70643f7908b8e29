"""Keys that name another key: what may be one, how one is written, how feeds and caches spell it.

Only the home key has a record, so that a move touches one record; who asks by an alias is told it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from lookup.assignment import NO_EPOCH, Alias, Assignment
from lookup.ports import EpochConflictError

MAX_ALIASES: Final = 16
"""Of one home: each reading of the home brings all of them along."""

NAMES: Final = "@names"
FREED: Final = "@freed"
"""In place of the cell that was left: the change is an alias's, which names a key, or none any more."""

ALWAYS_HOME: Final = "user:"
"""Keys that begin so are no aliases."""

_ATTEMPTS: Final = 10


class AliasRefusedError(Exception):
    """The key can't name that one; the text says why."""


class AliasBook(Protocol):
    """The part of a store that keeps aliases. Every method raises StoreUnavailableError."""

    async def alias(self, key: str) -> Alias | None:
        """The alias as the truth has it, also one that was freed; None when the key never was one."""

    async def set_alias(self, new: Alias, expected_epoch: int) -> None:
        """Write `new` if the alias's epoch is `expected_epoch` (NO_EPOCH: if there never was one).

        The change reaches the feed exactly once. Nothing was written when it raises AliasRefusedError, or
        EpochConflictError, whose `current` is None.
        """


async def name_home(book: AliasBook, key: str, home: str, now_s: float) -> Alias:
    """Let the key name that home from now on (""; nobody). Names it already: nothing happens.

    Raises AliasRefusedError, StoreUnavailableError: then asking again tells.
    """
    check_alias(key, home)
    for _ in range(_ATTEMPTS):
        former = await book.alias(key)
        if former is not None and former.home == home:
            return former
        if former is None and not home:
            raise AliasRefusedError(f"{key} names no other key")
        epoch = NO_EPOCH if former is None else former.epoch
        new = Alias(key, home, max(epoch, 0) + 1, now_s)
        try:
            await book.set_alias(new, epoch)
        except EpochConflictError:
            continue
        return new
    raise AliasRefusedError(f"{key} is being changed by too many at once; try again")


def check_alias(key: str, home: str) -> None:
    """Raises AliasRefusedError for what can't be, whatever the store holds."""
    if not may_be_alias(key):
        raise AliasRefusedError(f"{key} can't name another key: `user` keys have homes of their own")
    if key == home:
        raise AliasRefusedError(f"{key} can't name itself")


def may_be_alias(key: str) -> bool:
    """Whether the key is of a kind that can name another key.

    A credential's claim of a home is compared with the moves of its own key, so it is believed only for keys
    that are surely no aliases.
    """
    return not key.startswith(ALWAYS_HOME)


def answers(record: Assignment, key: str) -> bool:
    """Whether the record tells where this key is at home: its own, or that of the key which it names."""
    return record.key == key or any(alias.key == key for alias in record.aliases)


def by_key(records: Sequence[Assignment], keys: Sequence[str]) -> dict[str, Assignment]:
    """The records by the keys that were asked for, home keys and aliases; a record may answer several."""
    asked = set(keys)
    found: dict[str, Assignment] = {}
    for record in records:
        for alias in record.aliases:
            if alias.key in asked:
                found.setdefault(alias.key, record)
    for record in records:
        if record.key in asked:
            found[record.key] = record
    return found


def left_mark(alias: Alias) -> str:
    """What stands in place of the cell that was left."""
    return NAMES if alias.home else FREED


def as_record(alias: Alias) -> Assignment:
    """An alias spelled as a record, without a cell and with the home key for `moved_to`.

    Feeds and caches carry it like this: a program that does not know aliases takes it for the change of a key
    of which it knows nothing.
    """
    return Assignment(alias.key, "", "", alias.epoch, moved_to=alias.home, updated_at_s=alias.updated_at_s)


def alias_in(record: Assignment) -> Alias | None:
    """The alias that is spelled so, None for a true record."""
    if record.cell:
        return None
    return Alias(record.key, record.moved_to, record.epoch, record.updated_at_s, record.read_at_s)
