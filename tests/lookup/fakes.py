"""Stores, feeds and observers that tests steer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

from lookup.assignment import NO_EPOCH, Assignment
from lookup.flags import Flag, FlagRecord
from lookup.observer import LookupObserver
from lookup.ports import Change, EpochConflictError, History, KeyMove, StoreUnavailableError

NOW_S = 1_700_000_000.0


def home(key: str, cell: str = "cell-a", epoch: int = 1, at_s: float = NOW_S) -> Assignment:
    """A record in jurisdiction eu."""
    return Assignment(key, cell, "eu", epoch, updated_at_s=at_s)


class FakeStore:
    """A store in memory. `gate` holds readings back while cleared; `failure` is raised by readings.

    `readings` are the batches asked for; `at_once` the most readings that ever ran together. A reading takes
    its answer when it begins, like one that a change overtakes on its way back.
    """

    def __init__(self, *records: Assignment) -> None:
        self.records = {record.key: record for record in records}
        self.flag_records: dict[str, FlagRecord] = {}
        self.readings: list[list[str]] = []
        self.fills: list[list[Assignment]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.running = 0
        self.at_once = 0

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        self.readings.append(list(keys))
        answer = {key: self.records[key] for key in keys if key in self.records}
        self.running += 1
        self.at_once = max(self.at_once, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if self.failure is not None:
            raise self.failure
        return answer

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.read(keys)

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        self.fills.append(list(assignments))
        if self.failure is not None:
            raise self.failure

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        current = self.records.get(new.key)
        if (NO_EPOCH if current is None else current.epoch) != expected_epoch:
            raise EpochConflictError(new.key, expected_epoch, current)
        self.records[new.key] = new

    async def load(self, assignments: Iterable[Assignment]) -> int:
        before = len(self.records)
        self.records = {record.key: record for record in assignments} | self.records
        return len(self.records) - before

    async def count_by_cell(self) -> Mapping[str, int]:
        return Counter(record.cell for record in self.records.values())

    async def flags(self) -> Mapping[str, FlagRecord]:
        if self.failure is not None:
            raise self.failure
        return self.flag_records

    async def set_flag(
        self,
        cell: str,
        flag: Flag,
        *,
        reason: str,
        author: str,
        now_s: float,
        expires_at_s: float | None = None,
    ) -> FlagRecord:
        former = self.flag_records.get(cell)
        version = 1 if former is None else former.version + 1
        self.flag_records[cell] = FlagRecord(cell, flag, version, reason, author, now_s, expires_at_s)
        return self.flag_records[cell]

    async def close(self) -> None:
        self.failure = StoreUnavailableError("closed")


class FakeFeed:
    """A feed whose events the test sends; each `follow` gets a queue of its own. Histories arrive while
    `history_gate` is open."""

    def __init__(self) -> None:
        self.moves: list[KeyMove] = []
        self.covers_since_s = 0.0
        self.follows = 0
        self.history_gate = asyncio.Event()
        self.history_gate.set()
        self._events: asyncio.Queue[Change | StoreUnavailableError] = asyncio.Queue()

    def send(self, *events: Change | StoreUnavailableError) -> None:
        """The next events; an error breaks the feed."""
        for event in events:
            self._events.put_nowait(event)

    async def follow(self) -> AsyncGenerator[Change, None]:
        self.follows += 1
        while True:
            event = await self._events.get()
            if isinstance(event, StoreUnavailableError):
                raise event
            yield event

    async def history(self, since_s: float) -> History:
        await self.history_gate.wait()
        covers_since_s = max(since_s, self.covers_since_s)
        return History(covers_since_s, [move for move in self.moves if move.moved_at_s > since_s])


class Counts(LookupObserver):
    """Counts what the resolver tells."""

    def __init__(self) -> None:
        self.lookups: Counter[tuple[int, int]] = Counter()
        self.failures: Counter[tuple[int, str]] = Counter()
        self.causes: list[str] = []
        self.hedges: Counter[int] = Counter()

    def lookup(self, tier: int, outcome: int, seconds: float) -> None:
        assert seconds >= 0
        self.lookups[tier, outcome] += 1

    def hedged(self, tier: int) -> None:
        self.hedges[tier] += 1

    def tier_failed(self, tier: int, reason: str, cause: str = "") -> None:
        self.failures[tier, reason] += 1
        self.causes.append(cause)
