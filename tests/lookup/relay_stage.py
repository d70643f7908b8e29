"""A relay between an outbox and a feed that both are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lookup.feed_event import FeedEvent
from lookup.moves import Position
from lookup.outbox import FeedLostError, FeedNotBegunError
from lookup.ports import StoreUnavailableError
from lookup.relay import Relay
from tests.lookup.fake_outbox import FakeOutbox
from tests.lookup.fakes import NOW_S


class FakePublisher:
    """A feed in memory: `said` is all of it in order; `lost` until one is begun, `is_new` if none was; takes
    no change whose operation is in `refused`."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.refused: set[str] = set()
        self.lost = False
        self.is_new = False
        self.another_begins = False
        self.covers_s = -1.0
        self.dangerous = ""

    async def publish(self, events: Sequence[FeedEvent]) -> str:
        if self.lost:
            raise FeedLostError("lost")
        if not self.refused.isdisjoint(event.operation for event in events):
            raise StoreUnavailableError("the test refuses this one")
        self.said += [event.operation for event in events]
        return "g"

    async def position(self) -> Position:
        raise NotImplementedError

    async def cover_since(self, time_s: float) -> str:
        self.covers_s = max(self.covers_s, time_s)
        return "g"

    async def beat(self) -> None:
        if self.lost:
            raise FeedNotBegunError if self.is_new else FeedLostError("lost")
        self.said.append("beat")

    async def begin(self, covers_since_s: float) -> bool:
        if self.another_begins:
            return False
        self.said.append("begin")
        self.covers_s = covers_since_s
        self.lost = False
        return True

    async def complete(self) -> None:
        self.said.append("complete")

    async def danger(self) -> str:
        return self.dangerous


class Stage:
    """One relay with everything around it; `now_s` is its clock."""

    def __init__(self) -> None:
        self.now_s = NOW_S
        self.outbox = FakeOutbox()
        self.publisher = FakePublisher()
        self.relay = Relay(self.outbox, self.publisher, lambda: self.now_s, Random(1), keep_s=1000.0)
