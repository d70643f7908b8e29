"""What the resolver answers from which tier, and when it admits that it can't know."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.observer import ERROR, OLDER, WRONG_KEY
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, settle
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home

REFRESH_S, EXPIRY_S, HARD_STALE_S, SPREAD_S = 60.0, 300.0, 86_400.0, 30.0


def resolver(
    store: FakeStore, shared: FakeStore | None = None, counts: Counts | None = None, deadline_s: float = 5.0
) -> Resolver:
    settings = LookupSettings(deadline_s=deadline_s)
    return build_resolver(store, settings, Random(1), shared, counts or Counts())


def believing(store: FakeStore, *moves: KeyMove) -> Resolver:
    """A resolver whose feed has caught up."""
    made = resolver(store)
    made.learn_history(History(0.0, moves))
    made.believe_claims_until(NOW_S + 1000)
    return made


def claim(cell: str = "cell-c", epoch: int = 1) -> Hint:
    return Hint(cell, epoch, NOW_S - 100)


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
async def test_a_claim_answers_without_any_reading_and_makes_its_answer_once() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    lookup = believing(store)
    hint = claim("cell-c", 3)
    answer = lookup.recall("user:1", hint, NOW_S, safe=False)
    assert answer is not None
    assert (answer.cell, answer.jurisdiction, answer.epoch, answer.tier) == ("cell-c", "", 3, Tier.CLAIM)
    assert lookup.recall("user:1", hint, NOW_S, safe=False) is answer
    assert not store.readings


@pytest.mark.parametrize("claimed_epoch", [NO_EPOCH, 1, 2])
@asynchronous
async def test_a_claim_that_a_remembered_record_contradicts_is_not_believed(claimed_epoch: int) -> None:
    lookup = believing(FakeStore(home("user:1", "cell-a", 2)))
    hint = claim("cell-c", claimed_epoch)
    assert lookup.recall("user:1", hint, NOW_S, safe=False) is not None, "nothing is known against it"
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    answer = lookup.recall("user:1", hint, NOW_S, safe=False)
    assert answer is not None
    assert (answer.cell, answer.epoch, answer.tier) == ("cell-a", 2, Tier.MEMORY)
    newer = lookup.recall("user:1", claim("cell-c", 3), NOW_S, safe=False)
    assert newer is not None
    assert newer.tier == Tier.CLAIM, "the record may be older than a move that the claim knows of"


@asynchronous
async def test_a_claim_older_than_a_move_is_overruled_by_the_truth() -> None:
    store = FakeStore(home("user:1", "cell-b", 2))
    lookup = believing(store, KeyMove("user:1", 2, NOW_S - 50, "cell-c"))
    answer = await lookup.resolve("user:1", claim("cell-c", 1), NOW_S, safe=False)
    assert (answer.cell, answer.tier) == ("cell-b", Tier.STORE)


@asynchronous
async def test_a_claim_made_before_a_change_seen_by_the_feed_is_overruled() -> None:
    store = FakeStore(home("user:1", "cell-b", 2))
    lookup = believing(store)
    hint = claim("cell-c", 1)
    assert lookup.recall("user:1", hint, NOW_S, safe=False) is not None
    lookup.learn_change(home("user:1", "cell-b", 2), "cell-c", NOW_S)
    assert lookup.recall("user:1", hint, NOW_S, safe=False) is None


@pytest.mark.parametrize("spilled", [False, True])
@pytest.mark.parametrize("claimed_epoch", [NO_EPOCH, 2])
@asynchronous
async def test_no_write_goes_by_a_claim_that_was_issued_while_the_user_moves(
    claimed_epoch: int, spilled: bool
) -> None:
    moving = Assignment("user:1", "cell-a", "eu", 2, State.MOVING, "cell-b", NOW_S - 200)
    store = FakeStore(moving)
    others = [KeyMove(f"user:{number}", 2, NOW_S - 150, "cell-z") for number in range(4)] if spilled else []
    lookup = build_resolver(store, LookupSettings(deadline_s=5.0, moved_keys=2), Random(1))
    lookup.learn_history(History(0.0, [KeyMove("user:1", 2, NOW_S - 200, "cell-a"), *others]))
    lookup.believe_claims_until(NOW_S + 1000)
    hint = claim("cell-a", claimed_epoch)
    read = await lookup.resolve("user:1", hint, NOW_S, safe=True)
    assert (read.cell, read.tier) == ("cell-a", Tier.CLAIM)
    written = await lookup.resolve("user:1", hint, NOW_S, safe=False)
    assert (written.state, written.tier) == (State.MOVING, Tier.STORE)


@pytest.mark.parametrize(
    ("read_at_s", "tier"),
    [(NOW_S - 210, Tier.STORE), (NOW_S - 130, Tier.STORE), (NOW_S - 100, Tier.SHARED)],
    ids=["before the history", "before a move that is not kept any more", "after both"],
)
@asynchronous
async def test_a_cached_copy_that_a_forgotten_move_may_have_outdated_is_not_believed(
    read_at_s: float, tier: Tier
) -> None:
    copy = replace(home("user:1", "cell-z", 1), read_at_s=read_at_s)
    moves = [KeyMove(f"user:{number}", 2, NOW_S - 130, "cell-z") for number in range(2, 6)]
    settings = LookupSettings(deadline_s=5.0, moved_keys=2)
    lookup = build_resolver(FakeStore(home("user:1", "cell-b", 2)), settings, Random(1), FakeStore(copy))
    lookup.learn_history(History(NOW_S - 200, moves))
    assert (await lookup.resolve("user:1", None, NOW_S, safe=False)).tier is tier


@asynchronous
async def test_what_goes_into_the_shared_cache_says_when_it_was_asked_for() -> None:
    shared = FakeStore()
    lookup = resolver(FakeStore(home("user:1")), shared)
    await lookup.resolve("user:1", None, NOW_S + 7, safe=True)
    await settle()
    assert [record.read_at_s for record in shared.fills[0]] == [NOW_S + 7]


@asynchronous
async def test_a_credential_may_say_what_was_read_just_now_or_what_the_feed_vouches_for() -> None:
    store = FakeStore(home("user:1"))
    lookup = resolver(store)
    read = await lookup.resolve("user:1", None, NOW_S, safe=True)
    assert lookup.true_as_of_s(read, NOW_S) == NOW_S
    remembered = await lookup.resolve("user:1", None, NOW_S, safe=True)
    assert lookup.true_as_of_s(remembered, NOW_S) == -inf, "no feed"
    lookup.believe_claims_until(NOW_S + 3)
    assert lookup.true_as_of_s(remembered, NOW_S) == NOW_S - 3
    lookup.lose_continuity()
    lookup.believe_claims_until(NOW_S + 3)
    assert lookup.true_as_of_s(remembered, NOW_S) == -inf, "remembered from before the gap"


@asynchronous
async def test_until_caught_up_a_claim_is_confirmed_by_the_store() -> None:
    store = FakeStore(home("user:1", "cell-b", 2))
    answer = await resolver(store).resolve("user:1", claim("cell-c", 1), NOW_S, safe=False)
    assert (answer.cell, answer.tier) == ("cell-b", Tier.STORE)


@asynchronous
async def test_memory_older_than_a_claim_is_read_again_before_it_answers() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.records["user:1"] = home("user:1", "cell-b", 2)
    answer = await lookup.resolve("user:1", claim("cell-b", 2), NOW_S, safe=True)
    assert (answer.cell, answer.epoch, answer.tier) == ("cell-b", 2, Tier.STORE)


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


@asynchronous
async def test_the_shared_cache_is_asked_before_the_store_and_filled_from_it() -> None:
    store, shared = FakeStore(home("user:1"), home("user:2")), FakeStore(home("user:1"))
    lookup = resolver(store, shared)
    assert (await lookup.resolve("user:1", None, NOW_S, safe=True)).tier is Tier.SHARED
    assert not store.readings
    assert (await lookup.resolve("user:2", None, NOW_S, safe=True)).tier is Tier.STORE
    await settle()
    assert shared.fills == [[home("user:2")]]


@asynchronous
async def test_a_broken_shared_cache_is_skipped_and_counted() -> None:
    store, shared, counts = FakeStore(home("user:1")), FakeStore(), Counts()
    shared.failure = StoreUnavailableError("down")
    answer = await resolver(store, shared, counts).resolve("user:1", None, NOW_S, safe=True)
    assert answer.tier is Tier.STORE
    assert counts.failures[Tier.SHARED, ERROR] >= 1
    assert counts.lookups == {(Tier.STORE, Outcome.FOUND): 1}


@asynchronous
async def test_a_shared_cache_behind_a_claim_is_passed_over_for_the_truth() -> None:
    store, shared = FakeStore(home("user:1", "cell-b", 2)), FakeStore(home("user:1", "cell-a", 1))
    answer = await resolver(store, shared).resolve("user:1", claim("cell-b", 2), NOW_S, safe=True)
    assert (answer.cell, answer.tier) == ("cell-b", Tier.STORE)


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


@asynchronous
async def test_a_claim_without_epoch_never_beats_memory_when_all_fails() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    lookup = resolver(store)
    lookup.learn_history(History(0.0, ()))
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    lookup.believe_claims_until(NOW_S)
    hint = Hint("cell-c", NO_EPOCH, NOW_S - 100)
    answer = await lookup.resolve("user:1", hint, NOW_S + EXPIRY_S, safe=True)
    assert (answer.cell, answer.tier) == ("cell-a", Tier.STALE)
