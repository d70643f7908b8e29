"""What is known of a home gives way to later knowledge only, whoever brings it and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

from lookup.assignment import Alias, Assignment
from lookup.ports import KeyMove, StoreUnavailableError
from lookup.resolution import Outcome
from lookup.resolver import build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.resolving import HARD_STALE_S, REFRESH_S, SPREAD_S, believing, resolver

MAIL = "email:a@x"


@asynchronous
async def test_a_replica_that_lags_takes_no_remembered_home_back_to_an_older_one() -> None:
    store = FakeStore(home("user:1", "cell-b", 3))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.records["user:1"] = home("user:1", "cell-a", 2)
    due_s = NOW_S + REFRESH_S
    for _ in range(2):
        served = lookup.recall("user:1", None, due_s, safe=False)
        assert served is not None
        assert (served.cell, served.epoch) == ("cell-b", 3)
        await until(lambda: len(store.readings) > 1)
        await settle()


@asynchronous
async def test_a_change_that_is_forgotten_at_once_still_outdates_the_reading_that_it_overtook() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    store.gate.clear()
    lookup = build_resolver(store, LookupSettings(deadline_s=10.0, moved_keys=2), Random(1))
    caller = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, safe=False))
    await until(lambda: store.running == 1)
    store.records["user:1"] = home("user:1", "cell-b", 2)
    for number in range(1, 9):  # more than are kept one by one
        lookup.learn_change(home(f"user:{number}", "cell-b", 2), "cell-a", NOW_S)
    store.gate.set()
    found = await caller
    assert (found.cell, found.epoch) == ("cell-b", 2)


@asynchronous
async def test_an_answer_is_known_to_be_outdated_by_the_feed_or_by_a_later_reading() -> None:
    store = FakeStore(home("user:1", "cell-b", 3))
    lookup = believing(store, KeyMove("user:2", 2, NOW_S - 50, "cell-a"))
    for key, epoch in (("user:1", 2), ("user:1", 3), ("user:2", 1), ("user:2", 2)):
        assert lookup.knows_newer(key, epoch) is ((key, epoch) == ("user:2", 1))
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    assert [lookup.knows_newer("user:1", epoch) for epoch in (2, 3)] == [True, False]


def named(home_key: str, epoch: int) -> Assignment:
    return replace(home(home_key), aliases=(Alias(MAIL, home_key, epoch, NOW_S),))


@asynchronous
async def test_a_change_of_a_name_that_is_forgotten_at_once_outdates_the_reading_too() -> None:
    store = FakeStore(home("user:2"))
    store.records[MAIL] = named("user:1", 1)
    store.gate.clear()
    lookup = build_resolver(store, LookupSettings(deadline_s=10.0, moved_keys=2), Random(1))
    caller = asyncio.create_task(lookup.resolve(MAIL, None, NOW_S, safe=False))
    await until(lambda: store.running == 1)
    store.records[MAIL] = named("user:2", 2)
    for key in (MAIL, *(f"email:{number}@x" for number in range(8))):  # more than are kept one by one
        lookup.learn_alias(Alias(key, "user:2", 2, NOW_S), NOW_S)
    store.gate.set()
    assert (await caller).key == "user:2"


@asynchronous
async def test_a_replica_that_lags_takes_no_name_back_to_the_home_that_it_named_before() -> None:
    store = FakeStore(home("user:2"))
    store.records[MAIL] = store.records["user:1"] = named("user:1", 1)
    lookup = resolver(store)
    for key in (MAIL, "user:2"):
        await lookup.resolve(key, None, NOW_S, safe=True)
    lookup.learn_alias(Alias(MAIL, "user:2", 2, NOW_S), NOW_S)
    assert lookup.recall("user:1", None, NOW_S + REFRESH_S, safe=True) is not None
    await until(lambda: store.readings[-1] == ["user:1"])
    await settle()
    found = lookup.recall(MAIL, None, NOW_S, safe=False)
    assert found is not None
    assert found.key == "user:2"


@asynchronous
async def test_an_old_name_serves_nobody_though_the_home_was_read_lately() -> None:
    store = FakeStore()
    store.records[MAIL] = named("user:1", 1)
    store.records["user:1"] = home("user:1")
    lookup = resolver(store)
    await lookup.resolve(MAIL, None, NOW_S, safe=True)
    await lookup.resolve("user:1", None, NOW_S + HARD_STALE_S - 9, safe=True)
    store.failure = StoreUnavailableError("down")
    for later_s, outcome in ((HARD_STALE_S - SPREAD_S, Outcome.FOUND), (HARD_STALE_S, Outcome.UNAVAILABLE)):
        assert (await lookup.resolve(MAIL, None, NOW_S + later_s, safe=True)).outcome is outcome
    assert (await lookup.resolve("user:1", None, NOW_S + HARD_STALE_S, safe=True)).outcome is Outcome.FOUND


@asynchronous
async def test_after_a_gap_the_truth_may_be_older_as_a_backup_may_have_been_put_back() -> None:
    store = FakeStore(home("user:1", "cell-b", 5))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.records["user:1"] = home("user:1", "cell-a", 3)
    lookup.lose_continuity()
    found = await lookup.resolve("user:1", None, NOW_S, safe=False)
    assert (found.cell, found.epoch) == ("cell-a", 3)


@asynchronous
async def test_a_key_that_the_truth_does_not_know_is_forgotten_also_as_a_name() -> None:
    store = FakeStore()
    store.records[MAIL] = named("user:1", 1)
    lookup = resolver(store)
    await lookup.resolve(MAIL, None, NOW_S, safe=True)
    assert lookup.recall(MAIL, None, NOW_S, safe=True) is not None
    lookup.forget(MAIL)
    assert lookup.recall(MAIL, None, NOW_S, safe=True) is None
    assert lookup.recall("user:1", None, NOW_S, safe=True) is not None
    lookup.forget("user:1")
    assert lookup.recall("user:1", None, NOW_S, safe=True) is None


@asynchronous
async def test_a_clock_that_was_set_back_keeps_nobody_unknown() -> None:
    store = FakeStore()
    lookup = resolver(store)
    assert (await lookup.resolve("user:1", None, NOW_S, safe=True)).outcome is Outcome.UNKNOWN
    assert lookup.recall("user:1", None, NOW_S - 1, safe=True) is not None
    assert lookup.recall("user:1", None, NOW_S - 3600, safe=True) is None
