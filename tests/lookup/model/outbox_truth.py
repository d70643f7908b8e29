"""A truth in memory that can't write to the feed itself: intent, compare-and-set, feed, intent done.

Each of these steps meets its fate. What the truth holds is decided at once and for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from lookup.assignment import NO_EPOCH, Assignment
from lookup.feed_event import FeedEvent
from lookup.outbox import Intent, Publisher
from lookup.ports import EpochConflictError, StoreUnavailableError
from tests.lookup.fakes import FakeStore
from tests.lookup.model.fates import Fates


class OutboxTruth(FakeStore):
    """Implements ports.Store and outbox.Outbox.

    made_by   the operation that made each key's record
    versions  of each key's row: a write begun before another one, or before a fence, comes to nothing
    """

    def __init__(self, fates: Fates, publisher: Publisher, clock: Callable[[], float]) -> None:
        super().__init__()
        self.made_by: dict[str, FeedEvent] = {}
        self.versions: dict[str, int] = {}
        self._fates = fates
        self._publisher = publisher
        self._clock = clock
        self._operations = 0
        self._intents: dict[str, Intent] = {}
        self._published: list[FeedEvent] = []

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return {key: self.records[key] for key in keys if key in self.records}

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        current = self.records.get(new.key)
        if (NO_EPOCH if current is None else current.epoch) != expected_epoch:
            raise EpochConflictError(new.key, expected_epoch, current)
        version = self.versions.get(new.key, 0)
        self._operations += 1
        left_cell = "" if current is None else current.cell
        event = FeedEvent(f"op-{self._operations}", assignment=new, left_cell=left_cell)
        intent = Intent(event, self._clock())
        await self._fates.meet(lambda: self._note(intent))
        if not await self._decide(event, new, version):
            await self._fates.meet(lambda: self.finish(intent, None))
            raise EpochConflictError(new.key, expected_epoch, self.records.get(new.key))
        try:
            await self._publisher.publish([event])
            await self._fates.meet(lambda: self.finish(intent, event))
        except StoreUnavailableError:
            return  # a relay tells it later

    async def _note(self, intent: Intent) -> None:
        self._intents[intent.event.operation] = intent

    async def _decide(self, event: FeedEvent, new: Assignment, version: int) -> bool:
        """Whether it was written. Raises StoreUnavailableError while it may yet be."""
        try:
            return await self._fates.meet(lambda: self._write(event, new, version))
        except StoreUnavailableError:
            if self.made_by.get(new.key) == event:
                return True
            if self.versions.get(new.key, 0) != version:
                return False
            raise

    async def _write(self, event: FeedEvent, new: Assignment, version: int) -> bool:
        if self.versions.get(new.key, 0) != version:
            return False
        self.versions[new.key] = version + 1
        self.records[new.key] = new
        self.made_by[new.key] = event
        return True

    # outbox.Outbox

    async def pending(self, now_s: float) -> Sequence[Intent]:
        assert now_s > 0
        return list(self._intents.values())

    async def present(self, event: FeedEvent, *, surely: bool) -> FeedEvent | None:
        record = event.assignment
        assert record is not None
        if surely:
            self.versions[record.key] = self.versions.get(record.key, 0) + 1
        held = self.records.get(record.key)
        if held is None or held.epoch < record.epoch:
            return None
        return FeedEvent(event.operation, assignment=held, left_cell=self.made_by[record.key].left_cell)

    async def finish(self, intent: Intent, published: FeedEvent | None) -> None:
        if published is not None:
            self._published.append(published)
        self._intents.pop(intent.event.operation, None)

    async def moves_since(self, since_s: float) -> AsyncIterator[FeedEvent]:
        for event in self._published:
            if event.moved_at_s is not None and event.moved_at_s > since_s:
                yield event

    async def covers_since_s(self) -> float:
        return 0.0
