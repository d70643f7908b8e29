"""New users get their home as they are looked up, and nobody who has one waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import cast

import pytest

from lookup.assignment import Assignment
from lookup.confirm import Confirmations
from lookup.first_sight import FirstSight
from lookup.flags import FlagRecord
from lookup.flight import Flight, FlightDeck
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan, Placer
from lookup.ports import StoreUnavailableError
from lookup.resolution import Outcome, Resolution, Tier
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home
from tests.lookup.model.standing_loop import standing_loop, timeless

PLAN = PlacementPlan([CellRoom("eu-1", "eu"), CellRoom("eu-2", "eu")], {"eu": ["eu"]}, ShareLimits())
DEADLINE_S = 20.0
FULL = PlacementPlan([CellRoom("eu-1", "eu", weight=0.0)], {"eu": ["eu"]}, ShareLimits())


class PlacingStore(FakeStore):
    """Reads at once; what only placements ask for waits for `placing`, and raises `refusal`."""

    def __init__(self, *records: Assignment) -> None:
        super().__init__(*records)
        self.placing = asyncio.Event()
        self.placing.set()
        self.refusal: Exception | None = None
        self.at_work = 0
        self.most_at_work = 0

    async def flags(self) -> Mapping[str, FlagRecord]:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.placing.wait()
        finally:
            self.at_work -= 1
        if self.refusal is not None:
            raise self.refusal
        return await super().flags()


class Edge:
    """What a worker that may place users looks up with."""

    def __init__(self, store: PlacingStore, plan: PlacementPlan = PLAN) -> None:
        settings = LookupSettings(deadline_s=DEADLINE_S)
        memory = Memory(settings.memory_entries, settings.unknown_entries, settings.lifetimes(), Random(1))
        moved = MovedSet(settings.moved_keys, settings.clock_skew_s)
        self.store = store
        self.counts = Counts()
        self.first_sight = FirstSight(Placer(store, plan, lambda: NOW_S, 0.01), "eu")
        self.resolver = Resolver(memory, moved, store, None, settings, self.counts, self.first_sight)
        self.confirmations = Confirmations(store.confirm, settings, self.counts, self.first_sight)

    async def ask(self, key: str) -> Resolution:
        return await self.resolver.resolve(key, None, NOW_S, True)

    async def close(self) -> None:
        await self.resolver.close()
        await self.confirmations.close()


@asynchronous
async def test_a_user_who_is_looked_up_has_a_home_from_then_on() -> None:
    edge = Edge(PlacingStore(home("user:1", "eu-2")))
    known, new = await asyncio.gather(edge.ask("user:1"), edge.ask("user:2"))
    assert (known.outcome, known.cell) == (Outcome.FOUND, "eu-2")
    record = edge.store.records["user:2"]
    assert (new.outcome, new.cell, new.epoch, record.jurisdiction) == (Outcome.FOUND, record.cell, 1, "eu")
    confirmed = await edge.confirmations.confirm("user:3", NOW_S)
    assert (confirmed.outcome, confirmed.cell) == (Outcome.FOUND, edge.store.records["user:3"].cell)
    await edge.close()


@asynchronous
async def test_those_who_have_a_home_wait_for_no_placement_nor_fail_with_it() -> None:
    edge = Edge(PlacingStore(*(home(f"user:known-{number}") for number in range(20))))
    edge.store.placing.clear()
    for number in range(10):  # as many failures as would open the circuit of the store, twice
        new = asyncio.create_task(edge.ask(f"user:new-{number}"))
        known = await edge.ask(f"user:known-{number}")
        assert (known.outcome, new.done()) == (Outcome.FOUND, False)
    edge.store.refusal = StoreUnavailableError("away")
    edge.store.placing.set()
    assert (await new).outcome is Outcome.UNAVAILABLE
    confirmed = await edge.confirmations.confirm("user:known-0", NOW_S)
    assert (await edge.ask("user:known-11")).outcome is confirmed.outcome is Outcome.FOUND
    assert not edge.counts.failures
    await edge.close()


@asynchronous
async def test_what_a_lookup_service_refuses_is_told_and_the_user_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    edge = Edge(PlacingStore())
    edge.store.refusal = ValueError("409 user:1: there is no cell `eu-1`; add it to the service's cells file")
    assert (await edge.ask("user:1")).outcome is Outcome.UNAVAILABLE
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "add it to the service's cells file" in caplog.text
    await edge.close()


@timeless
async def test_who_gave_up_waiting_finds_the_home_when_it_comes_again() -> None:
    edge = Edge(PlacingStore())
    edge.store.placing.clear()
    asking = asyncio.create_task(edge.ask("user:1"))
    await settle()
    standing_loop().now_s += DEADLINE_S
    assert (await asking).outcome is Outcome.UNAVAILABLE
    again = asyncio.create_task(edge.ask("user:1"))
    await settle()
    assert len(edge.store.readings) == 2
    edge.store.placing.set()
    assert (await again).outcome is Outcome.FOUND
    assert edge.store.most_at_work == 1
    await edge.close()


@asynchronous
async def test_only_users_are_placed_and_where_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    edge = Edge(PlacingStore(), FULL)
    found = [await edge.ask(key) for key in ("tenant:acme", "user:1")]
    assert [answer.outcome for answer in found] == [Outcome.UNKNOWN] * 2
    assert edge.store.records == {}
    assert "a new user gets no home: eu-1 has weight 0" in caplog.text
    await edge.close()


class _Deck:
    """In place of a FlightDeck, which compiled code lets no class of a test inherit from."""

    def __init__(self) -> None:
        self.refused = 0

    def unanswered(self, flight: Flight, tier: Tier) -> None:
        assert (flight.landed, tier) == (False, Tier.STORE)
        self.refused += 1


@asynchronous
async def test_few_are_placed_at_once_and_so_many_may_wait() -> None:
    store, deck = PlacingStore(), _Deck()
    store.placing.clear()
    first_sight = FirstSight(Placer(store, PLAN, lambda: NOW_S, 0.01), "eu", most=30)
    for number in range(40):
        first_sight.admit(Flight(f"user:{number}", NOW_S, NOW_S), cast("FlightDeck", deck))
    await until(lambda: store.at_work == 16)
    await settle()
    assert (store.most_at_work, deck.refused) == (16, 10)
    store.placing.set()
    await until(lambda: len(store.records) == 30)
    await first_sight.close()


@asynchronous
async def test_whoever_ends_while_users_are_being_placed_leaves_nothing_running() -> None:
    edge = Edge(PlacingStore())
    edge.store.placing.clear()
    asking = asyncio.create_task(edge.ask("user:1"))
    await until(lambda: edge.store.at_work == 1)
    await edge.close()
    assert (await asking).outcome is Outcome.UNAVAILABLE
    assert edge.store.at_work == 0
