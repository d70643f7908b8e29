"""How many requests to Cassandra a user's move takes: counted, so that they don't become more unnoticed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import pytest

from lookup.hooks import OperatorHooks
from lookup.move_bulk import BulkMover
from lookup.move_fates import BulkOrder, Ending, Fate
from lookup.move_pace import Pace
from lookup.move_targets import Targets
from lookup.mover import MoveListener, Mover, Patience
from lookup.present_feed import PresentFeed
from lookup.redis_clients import RedisSettings
from lookup.redis_publisher import RedisPublisher
from lookup.stores.cassandra_cluster import DECIDING, LOAD, confirming
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_truth import CassandraTruth
from tests.lookup.asynchronous import asynchronous
from tests.lookup.bulk_bench import PLAN, users, wishes
from tests.lookup.fakes import home

pytestmark = pytest.mark.slow

DECIDED: Final = 7
"""Of the operation's claim, the note that the move begins, three of its steps, two of its user's home."""

CONFIRMED: Final = 1
"""Whether the move is known already."""

OTHERS: Final = 20
"""Plain readings and notes of a move that is alone, workers aside; docs/cassandra.md has the list."""


class CountingSession(CassandraSession):
    """Counts what it is asked, by kind."""

    def __init__(self, settings: CassandraSettings) -> None:
        super().__init__(settings)
        self.asked: Counter[str] = Counter()

    async def ask(
        self, statement: str, values: Sequence[object], profile: str, routing_key: bytes | None = None
    ) -> list[Row]:
        decided = "decided" if profile.startswith(DECIDING) else "other"
        self.asked["confirmed" if profile == confirming(None) else decided] += 1
        return await super().ask(statement, values, profile, routing_key)

    async def write_together(
        self, statement: str, values: Sequence[Sequence[object]], profile: str = LOAD
    ) -> None:
        self.asked["other"] += 1
        await super().write_together(statement, values, profile)


async def costs(
    settings: CassandraSettings, redis: RedisSettings, count: int, parallel: int
) -> list[Counter[str]]:
    """What was asked until the first of so many users was moved, from there to the second one, and so on."""
    publisher = RedisPublisher(redis)
    await publisher.begin(0.0)
    await publisher.complete()
    session = CountingSession(settings)
    truth = CassandraTruth(session, settings, PresentFeed(publisher, lambda: truth.generation))
    hooks, listener = OperatorHooks(60.0), MoveListener()
    mover = Mover(truth, truth, truth, hooks, "ann", time.time, Patience(), listener)
    targets = Targets(PLAN, ("cell-b",), "", {}, frozenset())
    order, pace = BulkOrder("bulk-1", parallel=parallel), Pace(None, time.monotonic)
    found: list[Counter[str]] = []

    def tell(ending: Ending) -> None:
        assert ending.fate is Fate.MOVED, ending
        found.append(Counter(session.asked))
        session.asked.clear()

    bulk = BulkMover(truth, truth, mover, targets, pace, order, tell, time.time)
    try:
        await truth.load(home(key) for key in users(count))
        session.asked.clear()
        await bulk.run(wishes(*users(count)))
    finally:
        await truth.close()
        await publisher.close()
    assert len(found) == count
    return found


@asynchronous
async def test_a_move_asks_cassandra_no_more_than_it_needs(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    each = await costs(settings, redis, count=4, parallel=1)
    cheapest = min(each, key=Counter.total)  # the others may have met a time limit, or looked at flags
    assert cheapest == Counter(decided=DECIDED, confirmed=CONFIRMED, other=OTHERS)


@asynchronous
async def test_moves_at_once_share_what_is_not_decided(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    count = 32
    each = await costs(settings, redis, count, parallel=count)
    assert sum(cost["other"] for cost in each) < count * OTHERS * 2 / 3
