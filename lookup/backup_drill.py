"""What would be lost with a backup: a restored copy of it compared with the store that is in use."""

from __future__ import annotations

from asyncio import gather
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lookup.assignment import Alias
from lookup.backup import BackupStore, Progress
from lookup.backup_format import BLOCK_RECORDS
from lookup.chunks import chunks
from lookup.scan import every_alias_page, every_page

_ALIASES_AT_ONCE: Final = 256


@dataclass(slots=True)
class Lost:
    """What the live store knows and the restored one does not, by the cell where the users live now.

    placed   users that got their home since
    changed  users whose home has changed since: some would be sent where they no longer live
    flags    cells whose flag is newer
    live     records of the live store
    named    aliases that name a home since: with them nobody would be found
    renamed  aliases that have changed since: they would name who they no longer name
    """

    placed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    flags: list[str] = field(default_factory=list)
    live: int = 0
    named: int = 0
    renamed: int = 0


async def what_is_lost(live: BackupStore, restored: BackupStore, progress: Progress) -> Lost:
    """Walk through all of the live store. Raises StoreUnavailableError."""
    lost = Lost()
    async for records in every_page(live, BLOCK_RECORDS):
        known = await restored.read([record.key for record in records])
        for record in records:
            copy = known.get(record.key)
            if copy is None:
                lost.placed[record.cell] += 1
            elif copy.epoch < record.epoch or (copy.epoch == record.epoch and copy.cell != record.cell):
                lost.changed[record.cell] += 1
        lost.live += len(records)
        progress(lost.live)
    async for aliases in every_alias_page(live, BLOCK_RECORDS):
        for some in chunks(aliases, _ALIASES_AT_ONCE):
            _note_aliases(lost, some, await gather(*(restored.alias(alias.key) for alias in some)))
    restored_flags = await restored.flags()
    for cell, flag in sorted((await live.flags()).items()):
        copied = restored_flags.get(cell)
        if copied is None or copied.set_at_s < flag.set_at_s:
            lost.flags.append(cell)
    return lost


def _note_aliases(lost: Lost, live: Sequence[Alias], restored: Sequence[Alias | None]) -> None:
    for alias, copy in zip(live, restored, strict=True):
        if copy is None:
            lost.named += bool(alias.home)
        elif copy.epoch < alias.epoch or (copy.epoch == alias.epoch and copy.home != alias.home):
            lost.renamed += 1
