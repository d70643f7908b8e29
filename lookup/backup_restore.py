"""Puts a backup back into a store: looks first what that would change, never lowers an epoch, and gives
nobody another cell while writes may be on their way to the one that the store knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from lookup.assignment import Alias, Assignment, State
from lookup.backup import BackupStore, Progress
from lookup.backup_aliases import lacking_aliases, restore_aliases
from lookup.backup_format import BackupError
from lookup.backup_reader import BackupReader
from lookup.flags import FlagRecord
from lookup.keys import MARK
from lookup.leases import LeaseBook
from lookup.mover import Patience
from lookup.ports import EpochConflictError
from lookup.scan import FIRST

_SHOWN: Final = 5
_SKEW_S: Final = Patience().skew_s


class RestorableStore(BackupStore, LeaseBook, Protocol):
    """A store that a backup is put into."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What the backup and the store say of one key."""

    backup: Assignment
    store: Assignment

    @property
    def changes_cell(self) -> bool:
        """Whether restoring it sends the user to another cell."""
        return self.backup.cell != self.store.cell


@dataclass(slots=True)
class Plan:
    """What restoring the backup would do.

    new         records of keys that the store has no record of
    newer       records that are newer than the store's
    rehomed     those of the newer ones whose user gets another cell; the first few of them are kept
    same        records that the store has as they are
    backward    those that the store has newer, or otherwise at the same epoch; the first few of them are kept
    moving      new or newer ones that are between two cells: they are brought back to where they came from
    aliases     aliases that the store lacks, or has older
    flags       flags that the store lacks, or has older
    was_empty   the store had no record at all, but for its mark
    spelling    fingerprint of the secret that the backup's keys are hashed with, "" when they are not
    """

    new: int = 0
    newer: int = 0
    rehomed: int = 0
    same: int = 0
    backward: int = 0
    moving: int = 0
    aliases: int = 0
    was_empty: bool = False
    spelling: str = ""
    first_rehomed: list[Pair] = field(default_factory=list)
    first_backward: list[Pair] = field(default_factory=list)
    flags: list[FlagRecord] = field(default_factory=list)

    @property
    def records(self) -> int:
        """All of the backup."""
        return self.new + self.newer + self.same + self.backward


@dataclass(frozen=True, slots=True)
class Restored:
    """How many records were written, and which aliases the store does not take."""

    written: int
    refused: Sequence[Alias]


@dataclass(slots=True)
class _Sorted:
    new: list[Assignment] = field(default_factory=list)
    newer: list[Pair] = field(default_factory=list)
    backward: list[Pair] = field(default_factory=list)
    same: int = 0


async def plan_restore(store: BackupStore, reader: BackupReader, progress: Progress) -> Plan:
    """Read the whole backup and compare it with the store; writes nothing.

    Raises BackupError when the file is not sound, or has a flag that this program does not know;
    StoreUnavailableError.
    """
    first = (await store.scan(FIRST, 2)).records
    plan = Plan(was_empty=all(record.key == MARK for record in first))
    for block in reader.blocks():
        marks = [record.jurisdiction for record in block.records if record.key == MARK]
        plan.spelling = marks[0] if marks else plan.spelling
        _note(plan, await _compare(store, block.records, plan.was_empty))
        plan.aliases += len(await lacking_aliases(store, block.aliases))
        progress(plan.records)
    _insist_on_known_words(reader.flags)
    present = await store.flags()
    plan.flags = [flag for flag in reader.flags if _is_lacking(flag, present.get(flag.cell))]
    return plan


async def writing_workers(store: LeaseBook, now_s: float) -> list[str]:
    """Those who may let writes through, or whose writes may still be running, by what they know of homes."""
    return [lease.worker for lease in await store.leases() if not lease.is_gone(now_s, _SKEW_S)]


async def restore(
    store: RestorableStore,
    reader: BackupReader,
    plan: Plan,
    clock: Callable[[], float],
    progress: Progress,
    empty_caches: Callable[[], Awaitable[object]] | None = None,
) -> Restored:
    """Write what the plan says; returns what came of it.

    Whatever is newer in the store is left alone, and so are users who would get another cell while there are
    writing workers: nothing stops those users' writes.

    Then caches that edges share are emptied, and every follower is told to read anew what it knows. Done
    again after an interruption it goes on. Raises BackupError, StoreUnavailableError.
    """
    written = done = 0
    homeless: list[Alias] = []
    for block in reader.blocks():
        found = await _compare(store, block.records, plan.was_empty)
        now_s = clock()
        written += await store.load([settled(record, now_s) for record in found.new])
        for pair in await _allowed(store, found.newer, now_s):
            written += await _raise(store, settled(pair.backup, now_s), pair.store.epoch, now_s)
        homeless += await restore_aliases(store, block.aliases, now_s)
        done += len(block.records)
        progress(done)
    for flag in plan.flags:
        await store.set_flag(
            flag.cell,
            flag.flag,
            reason=flag.reason,
            author=flag.author,
            now_s=flag.set_at_s,
            expires_at_s=flag.expires_at_s,
        )
    if empty_caches is not None:
        await empty_caches()
    await store.begin_anew(clock())
    return Restored(written, homeless)


async def what_is_left(
    store: BackupStore, reader: BackupReader, plan: Plan, written: int, progress: Progress
) -> Plan | None:
    """What restoring again would do, if it has not made the store hold what the plan says; None: it has.

    Somebody may have placed or moved users meanwhile. Raises BackupError, StoreUnavailableError.
    """
    if written == plan.new + plan.newer:
        return None
    left = await plan_restore(store, reader, progress)
    return left if left.new or left.newer or left.backward > plan.backward else None


async def _allowed(store: LeaseBook, newer: list[Pair], now_s: float) -> list[Pair]:
    """Without those who would get another cell, when anybody may write to the one they have."""
    if any(pair.changes_cell for pair in newer) and await writing_workers(store, now_s):
        return [pair for pair in newer if not pair.changes_cell]
    return newer


def settled(record: Assignment, now_s: float) -> Assignment:
    """The record as it is restored. The log of its move is not in the backup, so nobody would end the move:
    the user is where an abort would have left it."""
    if record.state is State.PLACED:
        return record
    return Assignment(record.key, record.cell, record.jurisdiction, record.epoch + 1, updated_at_s=now_s)


async def _compare(store: BackupStore, records: list[Assignment], is_empty: bool) -> _Sorted:
    if is_empty:
        return _Sorted(new=records)
    present = await store.read([record.key for record in records])
    found = _Sorted()
    for record in records:
        held = present.get(record.key)
        if held is None:
            found.new.append(record)
        elif is_restored(record, held):
            found.same += 1
        elif held.key == record.key and held.epoch < record.epoch:
            found.newer.append(Pair(record, held))
        else:
            found.backward.append(Pair(record, held))
    return found


def is_restored(record: Assignment, held: Assignment) -> bool:
    """Whether a store that holds this holds what the backup's record says, or what restoring it makes."""
    if record.state is State.MOVING and held.state is State.PLACED:
        return (held.key, held.cell, held.epoch) == (record.key, record.cell, record.epoch + 1)
    return _facts(held) == _facts(record)


async def insist_on_same_spelling(store: BackupStore, plan: Plan) -> None:
    """Raises BackupError when the backup's keys are not spelled like the store's: nobody would find them."""
    mark = (await store.read([MARK])).get(MARK)
    if plan.records and ("" if mark is None else mark.jurisdiction) != plan.spelling:
        kind = "hashed with another secret than" if plan.spelling and mark else "not hashed like"
        raise BackupError(
            f"the backup's keys are {kind} those of the store; "
            "give the config the `lookup.key_hash` that the backup's store had"
        )


def _note(plan: Plan, found: _Sorted) -> None:
    plan.new += len(found.new)
    plan.newer += len(found.newer)
    rehomed = [pair for pair in found.newer if pair.changes_cell]
    plan.rehomed += len(rehomed)
    plan.first_rehomed += rehomed[: _SHOWN - len(plan.first_rehomed)]
    plan.same += found.same
    plan.backward += len(found.backward)
    plan.first_backward += found.backward[: _SHOWN - len(plan.first_backward)]
    written: Sequence[Assignment] = [*found.new, *(pair.backup for pair in found.newer)]
    plan.moving += sum(record.state is State.MOVING for record in written)


def _facts(record: Assignment) -> tuple[object, ...]:
    """All but the time, which says nothing of where the user lives."""
    return (
        record.key,
        record.cell,
        record.jurisdiction,
        record.epoch,
        record.state,
        record.moved_to,
    )


def _insist_on_known_words(flags: Sequence[FlagRecord]) -> None:
    """To write another word in their place would be to flag those cells otherwise than their operator did."""
    strange = [f"`{flag.unknown}` of {flag.cell}" for flag in flags if flag.unknown]
    if strange:
        raise BackupError(
            f"flags that this program does not know: {', '.join(strange)}; "
            "restore with the version that wrote the backup, or a later one"
        )


def _is_lacking(flag: FlagRecord, present: FlagRecord | None) -> bool:
    return present is None or present.set_at_s < flag.set_at_s


async def _raise(store: BackupStore, record: Assignment, expected_epoch: int, now_s: float) -> int:
    try:
        await store.compare_and_set(
            replace(record, updated_at_s=record.updated_at_s or now_s), expected_epoch
        )
    except EpochConflictError:  # somebody was quicker: what is there now is newer than when it was planned
        return 0
    return 1
