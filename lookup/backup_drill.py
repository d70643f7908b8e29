"""What would be lost with a backup: a restored copy of it compared with the store that is in use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lookup.backup import BackupStore, Progress
from lookup.backup_format import BLOCK_RECORDS
from lookup.scan import every_page


@dataclass(slots=True)
class Lost:
    """What the live store knows and the restored one does not, by the cell where the users live now.

    placed   users that got their home since
    changed  users whose home has changed since: some would be sent where they no longer live
    flags    cells whose flag is newer
    live     records of the live store
    """

    placed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    flags: list[str] = field(default_factory=list)
    live: int = 0


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
    restored_flags = await restored.flags()
    for cell, flag in sorted((await live.flags()).items()):
        copied = restored_flags.get(cell)
        if copied is None or copied.set_at_s < flag.set_at_s:
            lost.flags.append(cell)
    return lost
