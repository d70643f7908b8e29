"""Takes a backup of a store while it is used: every record as it is at some moment between begin and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from lookup.aliases import AliasBook
from lookup.backup_file import BackupWriter
from lookup.backup_format import BLOCK_RECORDS, Header, Summary
from lookup.ports import FeedingStore, StoreUnavailableError
from lookup.scan import HomeScan, every_alias_page, every_page

Progress = Callable[[int], None]
"""Told how many records are done."""


class Beginner(Protocol):
    """A store whose feed can be begun anew, and put right."""

    async def begin_anew(self, now_s: float) -> None:
        """Tell every follower that continuity is lost: a new generation of the feed, whose history knows no
        move up to `now_s` (Unix seconds). They read again what they know, and ask before they believe a claim
        from before. Raises StoreUnavailableError."""

    async def mend(self) -> Sequence[str]:
        """Put right what older programs or wrong clocks have left wrong; says what that was. Raises
        StoreUnavailableError."""


class BackupStore(FeedingStore, AliasBook, HomeScan, Beginner, Protocol):
    """A store that backups are taken of, and put into."""


async def take_backup(
    store: BackupStore, path: Path, clock: Callable[[], float], progress: Progress
) -> Summary:
    """Write homes, aliases and flags to the file; a former one of that name stays until the new one is whole.

    A record that changes meanwhile is in it as it was or as it is; one that is new may be missing.
    Raises BackupError, StoreUnavailableError.
    """
    header = await _header(store, clock)
    flags = await store.flags()
    with BackupWriter(path) as writer:
        writer.begin(header)
        writer.flags([flags[cell] for cell in sorted(flags)])
        done = 0
        async for records in every_page(store, BLOCK_RECORDS):
            writer.records(records)
            done += len(records)
            progress(done)
        async for aliases in every_alias_page(store, BLOCK_RECORDS):
            writer.aliases(aliases)
        return writer.finish(clock())


async def _header(store: BackupStore, clock: Callable[[], float]) -> Header:
    """A feed that is away hinders no backup: its position is for people."""
    begun_at_s = clock()
    try:
        async with aclosing(store.follow()) as changes:
            stands = await anext(changes)
    except StoreUnavailableError:
        return Header(begun_at_s, "", 0)
    return Header(begun_at_s, stands.generation, stands.sequence)
