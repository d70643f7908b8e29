"""What is answered when an entry is old, a tier is silent, or the feed had a gap."""

from __future__ import annotations

from lookup.ports import KeyMove, StoreUnavailableError
from lookup.resolution import Outcome, Tier
from tests.lookup.asynchronous import asynchronous, settle
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
    await settle()
    assert len(store.readings) == 2
    renewed = lookup.recall("user:1", None, later_s, safe=False)
    assert renewed is not None
    assert renewed.cell == "cell-b"


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
async def test_an_unconfirmed_claim_is_no_answer_when_the_feed_never_caught_up() -> None:
    store = FakeStore()
    store.failure = StoreUnavailableError("down")
    answer = await resolver(store).resolve("user:1", claim(), NOW_S, safe=True)
    assert answer.outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_after_a_gap_safe_methods_are_served_and_unsafe_ones_wait_for_the_truth() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.records["user:1"] = home("user:1", "cell-b", 2)
    lookup.lose_continuity()
    assert lookup.recall("user:1", None, NOW_S, safe=False) is None
    served = lookup.recall("user:1", None, NOW_S, safe=True)
    assert served is not None
    assert served.cell == "cell-a"
    answer = await lookup.resolve("user:1", None, NOW_S, safe=False)
    assert answer.cell == "cell-b"


@asynchronous
async def test_a_gap_makes_unknown_keys_be_asked_for_again() -> None:
    store = FakeStore()
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    lookup.lose_continuity()
    assert lookup.recall("user:1", None, NOW_S, safe=True) is None
