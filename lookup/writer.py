"""Gives keys their home. Truth first, by compare-and-set; caches learn of it from the feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lookup.assignment import NO_EPOCH, Assignment
from lookup.ports import EpochConflictError, Store

FIRST_EPOCH: Final = 1


async def place(store: Store, key: str, cell: str, jurisdiction: str, now_s: float) -> Assignment:
    """Give a new key its home; of several who try at once one wins, and all get the winner's record.

    Raises StoreUnavailableError: the key may or may not be placed then, and placing it again tells.
    """
    new = Assignment(key, cell, jurisdiction, FIRST_EPOCH, updated_at_s=now_s)
    try:
        await store.compare_and_set(new, NO_EPOCH)
    except EpochConflictError as conflict:
        if conflict.current is None:
            raise
        return conflict.current
    return new


def spread(keys: Iterable[str], homes: Sequence[tuple[str, str]], now_s: float) -> Iterator[Assignment]:
    """First records for `Store.load`: the keys dealt out evenly over homes, each a (cell, jurisdiction)."""
    for index, key in enumerate(keys):
        cell, jurisdiction = homes[index % len(homes)]
        yield Assignment(key, cell, jurisdiction, FIRST_EPOCH, updated_at_s=now_s)
