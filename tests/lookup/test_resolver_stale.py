"""What is answered when an entry is old, or a tier is silent."""

from __future__ import annotations

import asyncio

from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Tier
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.resolving import EXPIRY_S, HARD_STALE_S, REFRESH_S, SPREAD_S, believing, claim, resolver


@asynchronous
async def test_after_refresh_it_serves_and_reads_in_the_background_once() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.records["user:1"] = home("user:1", "cell-b", 2)
    later_s = NOW_S + REFRESH_S
    for _ in range(5):
        served = lookup.recall("user:1", None, later_s, safe=False)
        assert served is not None
        assert served.cell == "cell-a"
    await until(lambda: len(store.readings) == 2)
    await settle()
    assert len(store.readings) == 2
    renewed = lookup.recall("user:1", None, later_s, safe=False)
    assert renewed is not None
    assert renewed.cell == "cell-b"


@asynchronous
async def test_keys_that_fall_due_in_one_moment_are_read_together() -> None:
    keys = [f"user:{number}" for number in range(10)]
    store = FakeStore(*(home(key) for key in keys))
    lookup = resolver(store)
    for key in keys:
        await lookup.resolve(key, None, NOW_S, safe=True)
    for key in keys * 2:
        lookup.recall(key, None, NOW_S + REFRESH_S, safe=True)
        await asyncio.sleep(0)
    await until(lambda: len(store.readings) > 10)
    assert store.readings[10:] == [keys]


@asynchronous
async def test_who_waits_for_a_key_that_fell_due_has_it_read_at_once_and_only_once() -> None:
    store = FakeStore(home("user:1"), home("user:2"))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    await lookup.resolve("user:2", None, NOW_S, safe=True)
    lookup.recall("user:1", None, NOW_S + REFRESH_S, safe=True)
    lookup.recall("user:2", None, NOW_S + REFRESH_S, safe=True)
    await lookup.resolve("user:1", None, NOW_S + EXPIRY_S, safe=True)
    assert store.readings == [["user:1"], ["user:2"], ["user:1"]]
    await until(lambda: len(store.readings) > 3)
    assert store.readings[3:] == [["user:2"]]


@asynchronous
async def test_hits_do_not_keep_an_entry_alive() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    for second in range(int(EXPIRY_S - SPREAD_S)):
        assert lookup.recall("user:1", None, NOW_S + second, safe=True) is not None
    assert lookup.recall("user:1", None, NOW_S + EXPIRY_S, safe=True) is None


@asynchronous
async def test_with_no_tier_answering_safe_methods_get_a_stale_answer_and_unsafe_ones_none() -> None:
    store = FakeStore(home("user:1", "cell-b", 3))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    later_s = NOW_S + EXPIRY_S
    stale = await lookup.resolve("user:1", None, later_s, safe=True)
    assert (stale.outcome, stale.cell, stale.epoch, stale.tier) == (Outcome.FOUND, "cell-b", 3, Tier.STALE)
    unsafe = await lookup.resolve("user:1", None, later_s, safe=False)
    assert (unsafe.outcome, unsafe.cell) == (Outcome.UNAVAILABLE, "")


@asynchronous
async def test_beyond_hard_stale_nobody_gets_an_answer() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    answer = await lookup.resolve("user:1", None, NOW_S + HARD_STALE_S, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_a_key_never_seen_is_unavailable_not_guessed_when_the_store_fails() -> None:
    store = FakeStore(home("user:1"))
    store.failure = StoreUnavailableError("down")
    answer = await resolver(store).resolve("user:1", None, NOW_S, safe=True)
    assert (answer.outcome, answer.cell) == (Outcome.UNAVAILABLE, "")


@asynchronous
async def test_a_claim_that_held_when_feed_and_store_died_still_serves_safe_methods() -> None:
    store = FakeStore()
    lookup = believing(store, KeyMove("user:2", 2, NOW_S - 50, "cell-c"))
    store.failure = StoreUnavailableError("down")
    later_s = NOW_S + 2000
    held = await lookup.resolve("user:1", claim("cell-c", 1), later_s, safe=True)
    assert (held.cell, held.tier) == ("cell-c", Tier.STALE)
    for key, hint, safe in (
        ("user:1", claim("cell-c", 1), False),
        ("user:2", claim("cell-c", 1), True),
    ):
        refused = await lookup.resolve(key, hint, later_s, safe)
        assert refused.outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_an_old_answer_and_a_claim_of_one_epoch_that_disagree_are_settled_by_the_answer() -> None:
    store = FakeStore(home("user:1", "cell-a", 2))
    lookup = believing(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    for epoch, cell in ((1, "cell-a"), (2, "cell-a"), (3, "cell-c")):
        answer = await lookup.resolve("user:1", claim("cell-c", epoch), NOW_S + 2000, safe=True)
        assert (answer.cell, answer.tier) == (cell, Tier.STALE)


@asynchronous
async def test_an_old_answer_that_a_credential_is_newer_than_serves_nobody_who_shows_that() -> None:
    store = FakeStore(home("user:1", "cell-a", 2))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    later_s = NOW_S + EXPIRY_S
    assert (await lookup.resolve("user:1", None, later_s, safe=True)).cell == "cell-a"
    answer = await lookup.resolve("user:1", claim("cell-c", 3), later_s, safe=True)
    assert (answer.outcome, answer.cell) == (Outcome.UNAVAILABLE, ""), "no feed vouches for the claim either"


@asynchronous
async def test_with_no_tier_answering_a_claim_from_before_the_history_is_no_answer() -> None:
    store = FakeStore()
    store.failure = StoreUnavailableError("down")
    lookup = resolver(store)
    lookup.learn_history(History(NOW_S - 100, ()), NOW_S)
    lookup.believe_claims_until(NOW_S + 3)
    for ago_s, outcome in ((96, Outcome.UNAVAILABLE), (94, Outcome.FOUND)):
        hint = Hint("cell-c", 1, NOW_S - ago_s)
        assert (await lookup.resolve("user:1", hint, NOW_S + 2000, safe=True)).outcome is outcome


@asynchronous
async def test_a_claim_outlives_the_feed_by_the_hard_stale_time() -> None:
    store = FakeStore()
    store.failure = StoreUnavailableError("down")
    lookup = believing(store)
    died_s = NOW_S + 1000
    for now_s, outcome in (
        (died_s + HARD_STALE_S - 1, Outcome.FOUND),
        (died_s + HARD_STALE_S, Outcome.UNAVAILABLE),
    ):
        assert (await lookup.resolve("user:1", claim(), now_s, safe=True)).outcome is outcome


@asynchronous
async def test_a_claim_of_a_key_that_may_be_an_alias_outlives_no_feed() -> None:
    store = FakeStore()
    store.failure = StoreUnavailableError("down")
    answer = await believing(store).resolve("email:a@x", claim(), NOW_S + 2000, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_an_unconfirmed_claim_is_no_answer_when_the_feed_never_caught_up() -> None:
    store = FakeStore()
    store.failure = StoreUnavailableError("down")
    answer = await resolver(store).resolve("user:1", claim(), NOW_S, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE
