"""The watch counts what is still wrong after the lag, mends it, and stays within its rate."""

from __future__ import annotations

from random import Random

import pytest

from lookup.misroute_watch import MisrouteWatch, WatchSettings
from lookup.ports import StoreUnavailableError
from lookup.resolution import Tier
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.misroute_site import WATCH, Site


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


class EndOfTestError(Exception):
    """Enough turns."""
