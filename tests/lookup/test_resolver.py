"""What the resolver answers from which tier, and when it admits that it can't know."""

from __future__ import annotations

import pytest

from lookup.observer import ERROR, OLDER, WRONG_KEY
from lookup.ports import StoreUnavailableError
from lookup.resolution import Outcome, Tier
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home
from tests.lookup.resolving import EXPIRY_S, resolver


@asynchronous
async def test_a_cold_key_is_read_from_the_store_and_then_remembered() -> None:
    store = FakeStore(home("user:1", "cell-b", 4))
    lookup = resolver(store)
    assert lookup.recall("user:1", None, NOW_S, safe=True) is None
    first = await lookup.resolve("user:1", None, NOW_S, safe=False)
    assert (first.outcome, first.cell, first.jurisdiction, first.epoch, first.tier) == (
        Outcome.FOUND,
        "cell-b",
        "eu",
        4,
        Tier.STORE,
    )
    again = lookup.recall("user:1", None, NOW_S, safe=False)
    assert again is not None
    assert (again.cell, again.jurisdiction, again.epoch, again.tier) == ("cell-b", "eu", 4, Tier.MEMORY)
    assert lookup.recall("user:1", None, NOW_S, safe=False) is again, "a hit makes nothing new"
    assert len(store.readings) == 1


@asynchronous
async def test_a_key_without_home_is_unknown_and_that_is_remembered_for_its_own_time() -> None:
    store = FakeStore()
    lookup = resolver(store)
    assert (await lookup.resolve("user:1", None, NOW_S, safe=True)).outcome is Outcome.UNKNOWN
    remembered = lookup.recall("user:1", None, NOW_S + 4.9, safe=True)
    assert remembered is not None
    assert remembered.outcome is Outcome.UNKNOWN
    assert lookup.recall("user:1", None, NOW_S + 5, safe=True) is None


@asynchronous
async def test_a_user_who_is_placed_is_found_although_unknown_a_moment_ago() -> None:
    store = FakeStore()
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    lookup.learn_change(home("user:1"), "", NOW_S)
    assert lookup.recall("user:1", None, NOW_S, safe=True) is None
    store.records["user:1"] = home("user:1")
    assert (await lookup.resolve("user:1", None, NOW_S, safe=True)).outcome is Outcome.FOUND


@asynchronous
async def test_the_shared_cache_is_asked_before_the_store_and_filled_from_it() -> None:
    store, shared = FakeStore(home("user:1"), home("user:2")), FakeStore(home("user:1"))
    lookup = resolver(store, shared)
    assert (await lookup.resolve("user:1", None, NOW_S, safe=True)).tier is Tier.SHARED
    assert not store.readings
    assert (await lookup.resolve("user:2", None, NOW_S, safe=True)).tier is Tier.STORE
    await until(lambda: shared.fills != [])
    assert shared.fills == [[home("user:2")]]


@asynchronous
async def test_a_broken_shared_cache_is_skipped_and_counted() -> None:
    store, shared, counts = FakeStore(home("user:1")), FakeStore(), Counts()
    shared.failure = StoreUnavailableError("down")
    answer = await resolver(store, shared, counts).resolve("user:1", None, NOW_S, safe=True)
    assert answer.tier is Tier.STORE
    assert counts.failures[Tier.SHARED, ERROR] >= 1
    assert set(counts.causes) == {"down"}
    assert counts.lookups == {(Tier.STORE, Outcome.FOUND): 1}


@asynchronous
async def test_an_answer_that_belongs_to_another_key_is_never_used() -> None:
    store, counts = FakeStore(), Counts()
    store.records["user:1"] = home("user:2", "cell-b")
    answer = await resolver(store, counts=counts).resolve("user:1", None, NOW_S, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE
    assert counts.failures[Tier.STORE, WRONG_KEY] == 1


@asynchronous
async def test_a_store_that_lags_behind_the_feed_is_asked_again_and_never_believed() -> None:
    store, counts = FakeStore(home("user:1", "cell-a", 1)), Counts()
    lookup = resolver(store, counts=counts)
    lookup.learn_change(home("user:1", "cell-b", 2), "cell-a", NOW_S)
    answer = await lookup.resolve("user:1", None, NOW_S, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE
    assert counts.failures[Tier.STORE, OLDER] == len(store.readings) == 3


@asynchronous
async def test_an_exception_that_no_port_names_fails_the_lookup_not_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FakeStore()
    store.failure = ZeroDivisionError("a driver's bug")
    answer = await resolver(store).resolve("user:1", None, NOW_S, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE
    assert "raised what its port doesn't name" in caplog.text


@asynchronous
async def test_a_clock_set_back_makes_entries_be_read_again() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    assert lookup.recall("user:1", None, NOW_S - 10 * EXPIRY_S, safe=True) is None
