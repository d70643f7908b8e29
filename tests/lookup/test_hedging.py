"""A shared cache that is late is raced by the store; the first valid answer counts, and races are few."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from lookup.hedging import HedgeBudget
from lookup.observer import LATE
from lookup.ports import StoreUnavailableError
from lookup.resolution import Outcome, Resolution, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home

SETTINGS = LookupSettings(deadline_s=10.0, hedge_share=0.001)
NEVER = LookupSettings(deadline_s=10.0, hedge_share=0.001, hedged_share=0.0)


class Race:
    """A resolver whose shared cache and store answer when the test opens their gates."""

    def __init__(self, settings: LookupSettings = SETTINGS) -> None:
        self.shared, self.store, self.counts = FakeStore(home("user:1")), FakeStore(home("user:1")), Counts()
        self.shared.gate.clear()
        self.store.gate.clear()
        self.lookup: Resolver = build_resolver(self.store, settings, Random(1), self.shared, self.counts)

    async def begun(self) -> asyncio.Task[Resolution]:
        """A lookup for which both are being asked."""
        caller = asyncio.create_task(self.lookup.resolve("user:1", None, NOW_S, True))
        await until(lambda: self.store.running == 1)
        return caller


def test_one_hedge_in_twenty_readings_and_ten_at_once_after_a_quiet_time() -> None:
    budget = HedgeBudget(0.05)
    assert sum(budget.spend() for _ in range(100)) == 10
    spent = 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend()
    assert 45 <= spent <= 50


def test_a_share_of_nothing_hedges_nothing() -> None:
    budget = HedgeBudget(0.0)
    budget.earn()
    assert not budget.spend()
    with pytest.raises(ValueError, match="share"):
        HedgeBudget(1.5)


@asynchronous
async def test_the_store_answers_while_the_cache_is_late() -> None:
    race = Race()
    caller = await race.begun()
    race.store.gate.set()
    assert (await caller).tier is Tier.STORE
    assert race.counts.hedges == {Tier.SHARED: 1}
    assert (Tier.SHARED, LATE) not in race.counts.failures


@asynchronous
async def test_the_cache_may_still_answer_first() -> None:
    race = Race()
    caller = await race.begun()
    race.shared.gate.set()
    assert (await caller).tier is Tier.SHARED
    race.store.gate.set()
    await settle()
    assert (await race.lookup.resolve("user:1", None, NOW_S, True)).tier is Tier.MEMORY


@asynchronous
async def test_of_two_that_race_one_may_fail() -> None:
    for failing, answering in (("store", "shared"), ("shared", "store")):
        race = Race()
        caller = await race.begun()
        loser, winner = getattr(race, failing), getattr(race, answering)
        loser.failure = StoreUnavailableError("down")
        loser.gate.set()
        await settle()
        assert not caller.done()
        winner.gate.set()
        assert (await caller).outcome is Outcome.FOUND


@asynchronous
async def test_when_both_fail_the_store_is_asked_once_more_and_then_nobody() -> None:
    race = Race()
    caller = await race.begun()
    race.store.failure = race.shared.failure = StoreUnavailableError("down")
    race.store.gate.set()
    await settle()
    race.shared.gate.set()
    assert (await caller).outcome is Outcome.UNAVAILABLE
    assert len(race.store.readings) == 2


@asynchronous
async def test_a_miss_of_the_cache_waits_for_the_store_that_is_asked_already() -> None:
    race = Race()
    race.shared.records.clear()
    caller = await race.begun()
    race.shared.gate.set()
    await settle()
    assert not caller.done()
    race.store.gate.set()
    assert (await caller).tier is Tier.STORE
    assert len(race.store.readings) == 1


@asynchronous
async def test_an_outdated_answer_of_the_cache_does_not_win() -> None:
    race = Race()
    caller = await race.begun()
    race.store.records["user:1"] = home("user:1", "cell-b", 2)
    race.lookup.learn_change(home("user:1", "cell-b", 2), "cell-a", NOW_S)
    race.shared.gate.set()
    await settle()
    assert not caller.done()
    race.store.gate.set()
    assert (await caller).cell == "cell-b"


@asynchronous
async def test_an_answer_of_the_cache_from_before_a_gap_does_not_win() -> None:
    race = Race()
    caller = asyncio.create_task(race.lookup.resolve("user:1", None, NOW_S, True))
    await until(lambda: race.shared.running == 1)
    race.lookup.lose_continuity()
    race.store.records["user:1"] = home("user:1", "cell-b", 2)
    await until(lambda: race.store.running == 1)
    race.shared.gate.set()
    await settle()
    assert not caller.done()
    race.store.gate.set()
    assert (await caller).cell == "cell-b"


@asynchronous
async def test_what_the_store_does_not_know_any_more_a_late_cache_does_not_bring_back() -> None:
    race = Race()
    race.store.records.clear()
    caller = await race.begun()
    race.store.gate.set()
    assert (await caller).outcome is Outcome.UNKNOWN
    race.shared.gate.set()
    await settle()
    answer = race.lookup.recall("user:1", None, NOW_S, True)
    assert answer is not None
    assert answer.outcome is Outcome.UNKNOWN


@asynchronous
async def test_without_a_share_for_hedges_the_cache_has_its_whole_time() -> None:
    race = Race(NEVER)
    caller = asyncio.create_task(race.lookup.resolve("user:1", None, NOW_S, True))
    loop = asyncio.get_running_loop()
    hedge_s = loop.time() + 3 * NEVER.deadline_s * NEVER.hedge_share
    await until(lambda: loop.time() > hedge_s)
    assert race.store.readings == []
    race.shared.gate.set()
    assert (await caller).tier is Tier.SHARED


@asynchronous
async def test_a_slow_cache_sends_only_the_budget_to_the_store_before_its_time_is_up() -> None:
    settings = LookupSettings(deadline_s=10.0, hedge_share=0.001, batch_keys=1, readings=40)
    keys = [f"user:{number}" for number in range(40)]
    shared, store, counts = FakeStore(*map(home, keys)), FakeStore(*map(home, keys)), Counts()
    shared.gate.clear()
    lookup = build_resolver(store, settings, Random(1), shared, counts)
    callers = [asyncio.create_task(lookup.resolve(key, None, NOW_S, True)) for key in keys]
    await until(lambda: counts.hedges[Tier.SHARED] >= 10)
    loop = asyncio.get_running_loop()
    later_s = loop.time() + 0.05
    await until(lambda: loop.time() > later_s)
    assert counts.hedges[Tier.SHARED] == 10
    assert len(store.readings) == 10
    shared.gate.set()
    tiers = [(await caller).tier for caller in callers]
    assert (tiers.count(Tier.STORE), tiers.count(Tier.SHARED)) == (10, 30)


@asynchronous
async def test_a_frozen_cache_holds_nobody_up_longer_than_its_share() -> None:
    settings = LookupSettings(deadline_s=5.0, shared_share=0.01, hedge_share=0.001, hedged_share=0.0)
    shared, store = FakeStore(), FakeStore(*(home(f"user:{number}") for number in range(20)))
    shared.gate.clear()
    lookup = build_resolver(store, settings, Random(1), shared, Counts())
    first = [asyncio.create_task(lookup.resolve(f"user:{n}", None, NOW_S, True)) for n in range(4)]
    for number in range(4, 20):
        first.append(asyncio.create_task(lookup.resolve(f"user:{number}", None, NOW_S, True)))
        await settle()
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    assert {(await caller).tier for caller in first} == {Tier.STORE}
    assert (await lookup.resolve("user:0", None, NOW_S + 400, True)).tier is Tier.STORE
    assert loop.time() - begun_s < settings.deadline_s / 2
    await lookup.close()
