"""A truth with an outbox in memory, for the relay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from lookup.assignment import Assignment
from lookup.feed_event import FeedEvent
from lookup.outbox import Intent


def change(operation: str, record: Assignment, left_cell: str = "") -> FeedEvent:
    return FeedEvent(operation, assignment=record, left_cell=left_cell)


class FakeOutbox:
    """`truth` is the event that made each key's present record; `finished` what was said of each intent."""

    def __init__(self) -> None:
        self.truth: dict[str, FeedEvent] = {}
        self.intents: list[Intent] = []
        self.published: list[FeedEvent] = []
        self.finished: dict[str, FeedEvent | None] = {}
        self.asked_surely: list[str] = []
        self.covers_s = 0.0
        self.failure: Exception | None = None

    def note(self, event: FeedEvent, at_s: float, *, committed: bool) -> None:
        """A writer noted its intent, perhaps wrote, and was never heard of again."""
        self.intents.append(Intent(event, at_s))
        if committed:
            assert event.assignment is not None
            self.truth[event.assignment.key] = event

    async def pending(self, now_s: float) -> Sequence[Intent]:
        assert now_s > 0
        if self.failure is not None:
            raise self.failure
        return list(self.intents)

    async def present(self, event: FeedEvent, *, surely: bool) -> FeedEvent | None:
        assert event.assignment is not None
        if surely:
            self.asked_surely.append(event.operation)
        held = self.truth.get(event.assignment.key)
        if held is None or held.assignment is None or held.assignment.epoch < event.assignment.epoch:
            return None
        return FeedEvent(event.operation, held.assignment, None, held.left_cell)

    async def finish(self, intent: Intent, published: FeedEvent | None) -> None:
        self.intents.remove(intent)
        self.finished[intent.event.operation] = published
        if published is not None:
            self.published.append(published)

    async def moves_since(self, since_s: float) -> AsyncIterator[FeedEvent]:
        for event in self.published:
            if event.moved_at_s is not None and event.moved_at_s > since_s:
                yield event

    async def covers_since_s(self) -> float:
        return self.covers_s
