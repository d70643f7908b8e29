"""Many callers, cancelled callers, late tiers, and changes that overtake a reading."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

from lookup.aliases import NAMES
from lookup.assignment import Alias
from lookup.observer import LATE, OPEN
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Outcome, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home
from tests.lookup.model.standing_loop import standing_loop, timeless

PATIENT = LookupSettings(deadline_s=10.0)
HURRIED = LookupSettings(deadline_s=0.03, failures_to_open=2, open_s=0.05)


def resolver(store: FakeStore, settings: LookupSettings = PATIENT, counts: Counts | None = None) -> Resolver:
    return build_resolver(store, settings, Random(1), None, counts or Counts())


@asynchronous
async def test_ten_thousand_requests_for_one_cold_key_make_one_reading() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    answers = await asyncio.gather(*(lookup.resolve("user:1", None, NOW_S, True) for _ in range(10_000)))
    assert store.readings == [["user:1"]]
    assert all(answer.cell == "cell-a" for answer in answers)


@asynchronous
async def test_requests_that_come_while_the_reading_is_under_way_join_it() -> None:
    store = FakeStore(home("user:1"))
    store.gate.clear()
    lookup = resolver(store)
    first = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, True))
    await until(lambda: store.running == 1)
    second = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, True))
    await settle()
    store.gate.set()
    assert (await first).cell == (await second).cell == "cell-a"
    assert len(store.readings) == 1


@asynchronous
async def test_who_boards_has_the_key_read_once_and_gets_an_answer_that_came_before_he_waited() -> None:
    store, counts = FakeStore(home("user:1")), Counts()
    lookup = resolver(store, counts=counts)
    assert lookup.recall("user:1", None, NOW_S, True) is None
    flight = lookup.board("user:1", None, NOW_S)
    await until(lambda: flight.landed)
    found = await lookup.landing(flight, None, NOW_S, True)
    assert (found.cell, found.tier) == ("cell-a", Tier.STORE)
    assert store.readings == [["user:1"]]
    assert sum(counts.lookups.values()) == 1


@asynchronous
async def test_a_write_gets_no_stale_answer_of_a_flight_that_failed_before_it_waited() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, True)
    store.failure = StoreUnavailableError("away")
    later_s = NOW_S + PATIENT.expiry_s
    flight = lookup.board("user:1", None, later_s)
    await until(lambda: flight.landed)
    assert (await lookup.landing(flight, None, later_s, False)).outcome is Outcome.UNAVAILABLE
    assert (await lookup.landing(flight, None, later_s, True)).tier is Tier.STALE


@asynchronous
async def test_the_misses_of_one_tick_are_read_together_in_bounded_batches() -> None:
    keys = [f"user:{number}" for number in range(300)]
    store = FakeStore(*(home(key) for key in keys))
    lookup = resolver(store)
    await asyncio.gather(*(lookup.resolve(key, None, NOW_S, True) for key in keys))
    assert [len(batch) for batch in store.readings] == [128, 128, 44]


@asynchronous
async def test_a_cold_start_never_has_more_readings_at_once_than_configured() -> None:
    keys = [f"user:{number}" for number in range(2000)]
    store = FakeStore(*(home(key) for key in keys))
    store.gate.clear()
    lookup = resolver(store)
    callers = [asyncio.create_task(lookup.resolve(key, None, NOW_S, True)) for key in keys]
    await until(lambda: store.running == PATIENT.readings)
    await settle()
    store.gate.set()
    answers = await asyncio.gather(*callers)
    assert all(answer.outcome is Outcome.FOUND for answer in answers)
    assert store.at_once == PATIENT.readings
    assert sum(map(len, store.readings)) == 2000


@asynchronous
async def test_cancelled_callers_neither_stop_the_reading_nor_reach_the_others() -> None:
    keys = [f"user:{number}" for number in range(50)]
    store = FakeStore(*(home(key, f"cell-{key}") for key in keys))
    store.gate.clear()
    lookup = resolver(store)
    callers = [
        (key, asyncio.create_task(lookup.resolve(key, None, NOW_S, True))) for key in keys for _ in range(20)
    ]
    await until(lambda: store.running == 1)
    random = Random(3)
    cancelled = [caller for _, caller in callers if random.random() < 0.5]
    for caller in cancelled:
        caller.cancel()
    await settle()
    store.gate.set()
    for key, caller in callers:
        if caller in cancelled:
            assert (await asyncio.gather(caller, return_exceptions=True))[
                0
            ].__class__ is asyncio.CancelledError
        else:
            assert (await caller).cell == f"cell-{key}"
    assert len(store.readings) == 1


@asynchronous
async def test_when_every_caller_is_cancelled_the_answer_still_serves_the_next_one() -> None:
    store = FakeStore(home("user:1"))
    store.gate.clear()
    lookup = resolver(store)
    caller = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, True))
    await until(lambda: store.running == 1)
    caller.cancel()
    await settle()
    store.gate.set()
    await until(lambda: lookup.recall("user:1", None, NOW_S, True) is not None)
    assert len(store.readings) == 1


@asynchronous
async def test_a_change_that_overtakes_a_reading_is_not_undone_by_it() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    store.gate.clear()
    lookup = resolver(store)
    caller = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, False))
    await until(lambda: store.running == 1)
    moved = home("user:1", "cell-b", 2)
    store.records["user:1"] = moved
    lookup.learn_change(moved, "cell-a", NOW_S)
    store.gate.set()
    assert (await caller).cell == "cell-b"
    remembered = lookup.recall("user:1", None, NOW_S, False)
    assert remembered is not None
    assert remembered.cell == "cell-b"


@asynchronous
async def test_a_placement_that_overtakes_a_reading_is_not_answered_as_unknown() -> None:
    store = FakeStore()
    store.gate.clear()
    lookup = resolver(store)
    caller = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, False))
    await until(lambda: store.running == 1)
    store.records["user:1"] = home("user:1")
    lookup.learn_change(home("user:1"), "", NOW_S)
    store.gate.set()
    assert (await caller).outcome is Outcome.FOUND


@asynchronous
async def test_a_reading_from_before_a_gap_is_made_again() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    store.gate.clear()
    lookup = resolver(store)
    caller = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, False))
    await until(lambda: store.running == 1)
    store.records["user:1"] = home("user:1", "cell-b", 2)
    lookup.lose_continuity()
    store.gate.set()
    assert (await caller).cell == "cell-b"
    assert len(store.readings) == 2


@asynchronous
async def test_a_late_store_ends_the_waiting_at_the_deadline_and_its_answer_serves_the_next_caller() -> None:
    store, counts = FakeStore(home("user:1")), Counts()
    store.gate.clear()
    lookup = resolver(store, HURRIED, counts)
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    answer = await lookup.resolve("user:1", None, NOW_S, True)
    assert answer.outcome is Outcome.UNAVAILABLE
    assert loop.time() - begun_s >= HURRIED.deadline_s * 0.9
    await until(lambda: counts.failures[Tier.STORE, LATE] == 1)
    store.gate.set()
    await until(lambda: lookup.recall("user:1", None, NOW_S, True) is not None)


@asynchronous
async def test_keys_that_wait_for_a_free_reading_wait_no_longer_than_the_deadline() -> None:
    keys = [f"user:{number}" for number in range(128 * 6)]
    store = FakeStore(*(home(key) for key in keys))
    store.gate.clear()
    lookup = resolver(store, HURRIED)
    answers = await asyncio.gather(*(lookup.resolve(key, None, NOW_S, True) for key in keys))
    assert {answer.outcome for answer in answers} == {Outcome.UNAVAILABLE}
    assert sum(map(len, store.readings)) <= 128 * HURRIED.readings
    store.gate.set()


@timeless
async def test_a_store_that_keeps_failing_is_left_alone_and_tried_again_later() -> None:
    store, counts = FakeStore(home("user:1")), Counts()
    lookup = resolver(store, HURRIED, counts)
    store.failure = StoreUnavailableError("down")
    for _ in range(2):
        await lookup.resolve("user:1", None, NOW_S, True)
    readings = len(store.readings)
    await lookup.resolve("user:1", None, NOW_S, True)
    assert len(store.readings) == readings
    assert counts.failures[Tier.STORE, OPEN] == 1
    store.failure = None
    standing_loop().now_s += HURRIED.open_s
    assert (await lookup.resolve("user:1", None, NOW_S, True)).outcome is Outcome.FOUND


@asynchronous
async def test_closing_ends_every_lookup_without_an_answer() -> None:
    store = FakeStore(home("user:1"))
    store.gate.clear()
    lookup = resolver(store)
    caller = asyncio.create_task(lookup.resolve("user:1", None, NOW_S, True))
    await until(lambda: store.running == 1)
    await lookup.close()
    assert (await caller).outcome is Outcome.UNAVAILABLE
    assert store.running == 0


@asynchronous
async def test_a_home_that_was_left_in_a_gap_of_the_feed_serves_no_read_once_the_history_tells() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, True)
    store.records["user:1"] = home("user:1", "cell-b", 3)
    lookup.lose_continuity()
    lookup.learn_history(History(NOW_S - 100, [KeyMove("user:1", 3, NOW_S, "cell-a")]), NOW_S)
    assert lookup.recall("user:1", None, NOW_S + 1, True) is None
    assert (await lookup.resolve("user:1", None, NOW_S + 1, True)).cell == "cell-b"


@asynchronous
async def test_a_home_that_was_left_is_not_served_stale_either_while_no_tier_answers() -> None:
    store = FakeStore(home("user:1"), home("user:2"))
    lookup = resolver(store)
    for key in ("user:1", "user:2"):
        await lookup.resolve(key, None, NOW_S, True)
    lookup.lose_continuity()
    lookup.learn_history(History(NOW_S - 100, [KeyMove("user:1", 3, NOW_S, "cell-a")]), NOW_S)
    store.failure = StoreUnavailableError("away")
    much_later_s = NOW_S + 1000
    assert (await lookup.resolve("user:1", None, much_later_s, True)).outcome is Outcome.UNAVAILABLE
    assert (await lookup.resolve("user:2", None, much_later_s, True)).tier is Tier.STALE


@asynchronous
async def test_an_alias_that_names_another_home_since_a_gap_of_the_feed_is_read_again() -> None:
    key = "email:ann@example.org"
    store = FakeStore(home("user:2"))
    lookup = resolver(store)
    store.records[key] = replace(home("user:1"), aliases=(Alias(key, "user:1", 1),))
    await lookup.resolve(key, None, NOW_S, True)
    store.records[key] = replace(home("user:2", "cell-b"), aliases=(Alias(key, "user:2", 2),))
    lookup.lose_continuity()
    lookup.learn_history(History(NOW_S - 100, [KeyMove(key, 2, NOW_S, NAMES)]), NOW_S)
    assert lookup.recall(key, None, NOW_S + 1, True) is None
    assert (await lookup.resolve(key, None, NOW_S + 1, True)).key == "user:2"


@asynchronous
async def test_an_outdated_copy_that_was_read_while_the_history_was_learnt_sends_no_write() -> None:
    moved = home("user:1", "cell-b", 3)
    store, shared = FakeStore(moved), FakeStore(replace(home("user:1"), read_at_s=NOW_S - 1))
    lookup = build_resolver(store, PATIENT, Random(1), shared)
    lookup.learn_history(History(NOW_S - 100, ()), NOW_S)
    lookup.lose_continuity()
    others = [KeyMove(f"user:{number}", 2, NOW_S - 50, "cell-a") for number in range(2, 2000)]
    learning = lookup.learning_history(
        History(NOW_S - 100, [KeyMove("user:1", 3, NOW_S - 1, "cell-a"), *others]), NOW_S
    )
    next(learning)
    assert (await lookup.resolve("user:1", None, NOW_S, True)).epoch == 1  # nobody can know better yet
    for _ in learning:
        pass
    assert lookup.recall("user:1", None, NOW_S, False) is None
    assert (await lookup.resolve("user:1", None, NOW_S, False)).cell == "cell-b"
