"""Whom a credential's claim about a home is believed, and whom not."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Tier
from lookup.resolver import build_resolver
from lookup.settings import CLAIM_LIFETIME_S, LookupSettings
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.resolving import EXPIRY_S, believing, claim, resolver


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


@asynchronous
async def test_from_a_gap_on_no_claim_is_believed_until_the_feed_is_caught_up_with_again() -> None:
    lookup = believing(FakeStore())
    assert lookup.recall("user:1", claim(), NOW_S, safe=True) is not None
    lookup.lose_continuity()
    assert lookup.recall("user:1", claim(), NOW_S, safe=True) is None
    lookup.learn_history(History(0.0, ()), NOW_S)
    assert lookup.recall("user:1", claim(), NOW_S, safe=True) is None
    lookup.believe_claims_until(NOW_S + 3)
    assert lookup.recall("user:1", claim(), NOW_S, safe=True) is not None


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
    lookup.learn_history(History(0.0, [KeyMove("user:1", 2, NOW_S - 200, "cell-a"), *others]), NOW_S)
    lookup.forget_moves_before(NOW_S - CLAIM_LIFETIME_S)
    lookup.believe_claims_until(NOW_S + 1000)
    hint = claim("cell-a", claimed_epoch)
    read = await lookup.resolve("user:1", hint, NOW_S, safe=True)
    assert (read.cell, read.tier) == ("cell-a", Tier.CLAIM)
    written = await lookup.resolve("user:1", hint, NOW_S, safe=False)
    assert (written.state, written.tier) == (State.MOVING, Tier.STORE)


@pytest.mark.parametrize(
    ("cell", "read_at_s", "tier"),
    [
        ("cell-y", NOW_S - 210, Tier.STORE),
        ("cell-z", NOW_S - 130, Tier.STORE),
        ("cell-y", NOW_S - 130, Tier.SHARED),
        ("cell-z", NOW_S - 100, Tier.SHARED),
    ],
    ids=["before the history", "before a move that is not kept any more", "that was elsewhere", "after both"],
)
@asynchronous
async def test_a_cached_copy_that_a_forgotten_move_may_have_outdated_is_not_believed(
    cell: str, read_at_s: float, tier: Tier
) -> None:
    copy = replace(home("user:1", cell, 1), read_at_s=read_at_s)
    moves = [KeyMove(f"user:{number}", 2, NOW_S - 130, "cell-z") for number in range(2, 6)]
    settings = LookupSettings(deadline_s=5.0, moved_keys=2)
    lookup = build_resolver(FakeStore(home("user:1", "cell-b", 2)), settings, Random(1), FakeStore(copy))
    lookup.learn_history(History(NOW_S - 200, moves), NOW_S)
    assert (await lookup.resolve("user:1", None, NOW_S, safe=False)).tier is tier


@asynchronous
async def test_what_goes_into_the_shared_cache_says_when_it_was_asked_for() -> None:
    shared = FakeStore()
    lookup = resolver(FakeStore(home("user:1")), shared)
    await lookup.resolve("user:1", None, NOW_S + 7, safe=True)
    await until(lambda: shared.fills != [])
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
async def test_a_shared_cache_behind_a_claim_is_passed_over_for_the_truth() -> None:
    store, shared = FakeStore(home("user:1", "cell-b", 2)), FakeStore(home("user:1", "cell-a", 1))
    answer = await resolver(store, shared).resolve("user:1", claim("cell-b", 2), NOW_S, safe=True)
    assert (answer.cell, answer.tier) == ("cell-b", Tier.STORE)


@asynchronous
async def test_a_claim_without_epoch_never_beats_memory_when_all_fails() -> None:
    store = FakeStore(home("user:1", "cell-a", 1))
    lookup = resolver(store)
    lookup.learn_history(History(0.0, ()), NOW_S)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    store.failure = StoreUnavailableError("down")
    lookup.believe_claims_until(NOW_S)
    hint = Hint("cell-c", NO_EPOCH, NOW_S - 100)
    answer = await lookup.resolve("user:1", hint, NOW_S + EXPIRY_S, safe=True)
    assert (answer.cell, answer.tier) == ("cell-a", Tier.STALE)
