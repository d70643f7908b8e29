"""Puts the aliases of a backup back into a store: those that it lacks, or has older."""

from __future__ import annotations

from asyncio import gather
from contextlib import suppress
from dataclasses import replace
from typing import Final

from lookup.aliases import AliasRefusedError
from lookup.assignment import NO_EPOCH, Alias
from lookup.backup import BackupStore
from lookup.ports import EpochConflictError

_AT_ONCE: Final = 256


async def lacking_aliases(store: BackupStore, aliases: list[Alias]) -> list[tuple[Alias, int]]:
    """Those that the store has not, or older, each with the epoch that it has there."""
    found: list[tuple[Alias, int]] = []
    for start in range(0, len(aliases), _AT_ONCE):
        some = aliases[start : start + _AT_ONCE]
        for alias, held in zip(some, await gather(*(store.alias(one.key) for one in some)), strict=True):
            epoch = NO_EPOCH if held is None else held.epoch
            if epoch < alias.epoch:
                found.append((alias, epoch))
    return found


async def restore_aliases(store: BackupStore, aliases: list[Alias], now_s: float) -> list[Alias]:
    """Raises StoreUnavailableError. Returns those that can't be put back."""
    refused: list[Alias] = []
    lacking = await lacking_aliases(store, aliases)
    for start in range(0, len(lacking), _AT_ONCE):
        some = lacking[start : start + _AT_ONCE]
        done = await gather(*(_set_alias(store, alias, epoch, now_s) for alias, epoch in some))
        refused += [alias for (alias, _), is_done in zip(some, done, strict=True) if not is_done]
    return refused


async def _set_alias(store: BackupStore, alias: Alias, expected_epoch: int, now_s: float) -> bool:
    """As the backup has it, unless somebody was quicker. False: the key or its home is something else by now,
    or the home is not there: it was placed while the backup was taken."""
    new = replace(alias, updated_at_s=alias.updated_at_s or now_s)
    with suppress(EpochConflictError):
        try:
            await store.set_alias(new, expected_epoch)
        except AliasRefusedError:
            return False
    return True
