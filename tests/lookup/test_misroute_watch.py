"""The watch counts what is still wrong after the lag, mends it, and stays within its rate."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from lookup.assignment import Alias, Assignment
from lookup.memory import Memory
from lookup.misroute_watch import MisrouteWatch, WatchSettings
from lookup.moved import MovedSet
from lookup.observer import LookupObserver
from lookup.ports import StoreUnavailableError
from lookup.resolution import Tier
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home

LOOKUP = LookupSettings(deadline_s=10.0)
WATCH = WatchSettings(keys_per_s=5, lag_s=5.0)


class Seen(LookupObserver):
    def __init__(self) -> None:
        self.checks: Counter[int] = Counter()
        self.misroutes: Counter[int] = Counter()

    def compared(self, tier: int) -> None:
        self.checks[tier] += 1

    def misrouted(self, tier: int) -> None:
        self.misroutes[tier] += 1


class Site:
    """A worker's memory, a store, perhaps a shared cache, and the watch over them; time is the test's."""

    def __init__(self, shared: FakeStore | None = None, settings: WatchSettings = WATCH) -> None:
        self.now_s = NOW_S
        self.seen = Seen()
        self.store = FakeStore(home("user:1"))
        self.memory = Memory(1000, 10, LOOKUP.lifetimes(), Random(1))
        self.moved = MovedSet(100, 5.0)
        self.lookup = Resolver(self.memory, self.moved, self.store, shared, LOOKUP, self.seen)
        self.watch = MisrouteWatch(
            self.memory,
            self.moved,
            self.lookup,
            self.store,
            shared,
            settings,
            self.seen,
            lambda: self.now_s,
            Random(2),
        )

    async def turns(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 1.0
            await self.watch.turn()

    def remember_name(self, key: str, home_key: str, epoch: int = 1) -> None:
        self.memory.learn_alias(Alias(key, home_key, epoch), self.now_s, self.memory.generation)

    def remember(self, key: str, cell: str = "cell-a", epoch: int = 1) -> None:
        self.memory.learn(home(key, cell, epoch), self.now_s, self.memory.generation)


@asynchronous
async def test_what_memory_says_as_the_store_does_is_no_misroute() -> None:
    site = Site()
    site.remember("user:1")
    await site.turns(10)
    assert site.seen.checks[Tier.MEMORY] == 10
    assert not site.seen.misroutes


@asynchronous
async def test_a_change_that_the_feed_told_in_time_is_no_misroute() -> None:
    site = Site()
    site.remember("user:1")
    moved = home("user:1", "cell-b", 2)
    site.store.records["user:1"] = moved
    await site.turns(4)
    site.lookup.learn_change(moved, "cell-a", site.now_s)
    await site.turns(20)
    assert not site.seen.misroutes


@asynchronous
async def test_a_change_that_never_came_is_counted_once_and_mended_for_claims_as_well() -> None:
    site = Site()
    site.remember("user:1")
    site.store.records["user:1"] = home("user:1", "cell-b", 2)
    await site.turns(20)
    assert site.seen.misroutes == {Tier.MEMORY: 1}
    answer = site.lookup.recall("user:1", None, site.now_s, False)
    assert answer is not None
    assert (answer.cell, answer.epoch) == ("cell-b", 2)
    assert site.moved.epoch_of("user:1") == 2


@asynchronous
async def test_another_cell_at_the_same_epoch_and_a_home_that_is_gone_are_misroutes_that_are_forgotten() -> (
    None
):
    for wrong in (home("user:1", "cell-b", 1), None):
        site = Site()
        site.remember("user:1")
        site.store.records = {} if wrong is None else {"user:1": wrong}
        await site.turns(8)
        assert site.seen.misroutes == {Tier.MEMORY: 1}
        assert site.memory.known.find("user:1") is None


@asynchronous
async def test_a_replica_of_the_store_that_lags_behind_memory_accuses_nobody() -> None:
    site = Site()
    site.remember("user:1", "cell-b", 2)
    await site.turns(20)
    assert not site.seen.misroutes


@asynchronous
async def test_a_shared_cache_that_would_be_believed_is_watched_and_filled_anew() -> None:
    shared = FakeStore(home("user:1"))
    site = Site(shared)
    site.store.records["user:1"] = home("user:1", "cell-b", 2)
    site.remember("user:1", "cell-b", 2)
    await site.turns(4)
    assert shared.fills == []
    await site.turns(4)
    assert site.seen.misroutes == {Tier.SHARED: 1}
    assert shared.fills == [[home("user:1", "cell-b", 2)]]
    read_at_s = shared.fills[0][0].read_at_s  # without it no reader would believe the copy
    assert NOW_S < read_at_s <= site.now_s


@asynchronous
async def test_a_shared_cache_whose_old_value_nobody_would_believe_is_no_misroute() -> None:
    shared = FakeStore(home("user:1"))
    site = Site(shared)
    moved = home("user:1", "cell-b", 2)
    site.store.records["user:1"] = moved
    site.remember("user:1")
    site.lookup.learn_change(moved, "cell-a", site.now_s)
    await site.turns(20)
    assert not site.seen.misroutes
    assert site.seen.checks[Tier.SHARED] == 0


@asynchronous
async def test_no_more_keys_are_read_than_the_rate_allows() -> None:
    site = Site()
    for number in range(900):
        site.remember(f"user:{number}")
        site.store.records[f"user:{number}"] = home(f"user:{number}", "cell-b", 2)
    await site.turns(60)
    assert max(map(len, site.store.readings)) <= 2 * WATCH.keys_per_s
    assert len(site.store.readings) == 60
    assert site.seen.misroutes[Tier.MEMORY] > 60


@asynchronous
async def test_a_rate_of_nothing_reads_nothing() -> None:
    site = Site(settings=WatchSettings(0, 5.0))
    site.remember("user:1")
    await site.turns(5)
    assert site.store.readings == []


@asynchronous
async def test_what_is_due_after_a_gap_is_not_compared() -> None:
    site = Site()
    site.remember("user:1")
    site.lookup.lose_continuity()
    await site.turns(3)
    assert site.store.readings == []


@asynchronous
async def test_watching_marks_nothing_as_used() -> None:
    site = Site()
    site.remember("user:1")
    await site.turns(3)
    entry = site.memory.known.find("user:1")
    assert entry is not None
    assert not entry.referenced


@asynchronous
async def test_a_store_that_is_away_ends_no_watch() -> None:
    site = Site()
    site.remember("user:1")
    site.store.failure = StoreUnavailableError("down")
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 3:
            raise EndOfTestError

    watch = MisrouteWatch(
        site.memory,
        site.moved,
        site.lookup,
        site.store,
        None,
        WATCH,
        site.seen,
        lambda: NOW_S,
        Random(2),
        pause,
    )
    with pytest.raises(EndOfTestError):
        await watch.run()
    assert len(site.store.readings) == 3


def named(key: str, home_key: str, epoch: int = 1) -> Assignment:
    """The home's record as a store answers it to who asks by that name."""
    return replace(home(home_key), aliases=(Alias(key, home_key, epoch, NOW_S),))


MAIL = "email:ann@example.org"


@asynchronous
async def test_a_name_that_is_remembered_as_the_store_has_it_is_no_misroute() -> None:
    site = Site()
    site.store.records[MAIL] = named(MAIL, "user:1")
    site.remember_name(MAIL, "user:1")
    await site.turns(10)
    assert site.seen.checks[Tier.MEMORY] == 10
    assert not site.seen.misroutes


@asynchronous
async def test_homes_and_names_are_compared_by_turns() -> None:
    site = Site()
    for number in range(300):
        site.remember(f"user:{number}")
        site.remember_name(f"email:{number}@example.org", f"user:{number}")
    await site.turns(20)
    asked = Counter(key.partition(":")[0] for keys in site.store.readings for key in keys)
    assert min(asked["user"], asked["email"]) >= 40


@asynchronous
async def test_a_name_that_became_another_ones_unheard_is_counted_once_and_mended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    site.remember_name(MAIL, "user:1")
    site.store.records[MAIL] = named(MAIL, "user:2", 2)
    await site.turns(20)
    assert site.seen.misroutes == {Tier.MEMORY: 1}
    entry = site.memory.aliases.find(MAIL)
    assert entry is not None
    assert (entry.cell, entry.epoch) == ("user:2", 2)
    assert site.moved.alias_epoch_of(MAIL) == 2
    assert "user:" not in caplog.text  # who it is stays out of the log


@asynchronous
async def test_a_name_that_names_nobody_or_got_a_home_of_its_own_unheard_is_forgotten() -> None:
    for truth in (None, home(MAIL, "cell-b", 1)):
        site = Site()
        site.remember_name(MAIL, "user:1")
        if truth is not None:
            site.store.records[MAIL] = truth
        await site.turns(8)
        assert site.seen.misroutes == {Tier.MEMORY: 1}
        assert site.memory.aliases.find(MAIL) is None


@asynchronous
async def test_a_name_in_the_shared_cache_that_would_be_believed_is_filled_anew() -> None:
    shared = FakeStore()
    shared.records[MAIL] = named(MAIL, "user:1")
    site = Site(shared)
    site.store.records[MAIL] = named(MAIL, "user:2", 2)
    site.remember_name(MAIL, "user:2", 2)
    await site.turns(8)
    assert site.seen.misroutes == {Tier.SHARED: 1}
    assert shared.fills == [[named(MAIL, "user:2", 2)]]


@asynchronous
async def test_a_name_in_the_shared_cache_against_which_the_feed_spoke_is_no_misroute() -> None:
    shared = FakeStore()
    shared.records[MAIL] = named(MAIL, "user:1")
    site = Site(shared)
    site.store.records[MAIL] = named(MAIL, "user:2", 2)
    site.remember_name(MAIL, "user:1")
    site.lookup.learn_alias(Alias(MAIL, "user:2", 2, NOW_S), site.now_s)
    await site.turns(20)
    assert not site.seen.misroutes


class EndOfTestError(Exception):
    """Enough turns."""
