"""What is learnt when the truth was asked past every cache, because a cell refused a user."""

from __future__ import annotations

from random import Random

import pytest

from lookup.assignment import Alias, Assignment
from lookup.confirm import Confirmations
from lookup.ports import History, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import CLAIM_LIFETIME_S, LookupSettings
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, Counts, FakeStore, home

KEY = "user:1"


def believing(store: FakeStore, shared: FakeStore | None = None) -> Resolver:
    """A resolver whose feed has caught up, and has told of no move."""
    made = build_resolver(store, LookupSettings(), Random(1), shared, Counts())
    made.learn_history(History(0.0, ()), NOW_S)
    made.forget_moves_before(NOW_S - CLAIM_LIFETIME_S)
    made.believe_claims_until(NOW_S + 1000)
    return made


def where(lookup: Resolver, hint: Hint | None = None, key: str = KEY) -> tuple[str, int] | None:
    """What is answered without asking anybody."""
    found = lookup.recall(key, hint, NOW_S, safe=False)
    return None if found is None else (found.cell, found.epoch)


@pytest.mark.parametrize("remembered", [True, False])
@asynchronous
async def test_it_replaces_what_is_remembered_and_reaches_the_shared_cache(remembered: bool) -> None:
    shared = FakeStore()
    lookup = believing(FakeStore(home(KEY, "cell-a", 3)), shared)
    if remembered:
        await lookup.resolve(KEY, None, NOW_S, safe=True)
        assert where(lookup) == ("cell-a", 3)
        await until(lambda: shared.fills != [])
    shared.fills.clear()
    lookup.learn_truth(home(KEY, "cell-b", 5), "cell-a", NOW_S, lookup.generation)
    assert where(lookup) == ("cell-b", 5)
    await until(lambda: shared.fills != [])
    assert [(record.cell, record.epoch) for fill in shared.fills for record in fill] == [("cell-b", 5)]


@asynchronous
async def test_older_claims_are_overruled_from_then_on_and_newer_ones_are_not() -> None:
    lookup = believing(FakeStore())
    old, new = Hint("cell-a", 3, NOW_S - 100), Hint("cell-c", 6, NOW_S - 1)
    assert where(lookup, old) == ("cell-a", 3)
    lookup.learn_truth(home(KEY, "cell-b", 5), "cell-a", NOW_S, lookup.generation)
    assert where(lookup, old) == ("cell-b", 5)
    assert where(lookup, new) == ("cell-c", 6)


@asynchronous
async def test_it_never_goes_back_behind_what_the_feed_said_meanwhile() -> None:
    shared = FakeStore()
    lookup = believing(FakeStore(home(KEY, "cell-a", 3)), shared)
    await lookup.resolve(KEY, None, NOW_S, safe=True)
    await until(lambda: shared.fills != [])
    shared.fills.clear()
    lookup.learn_change(home(KEY, "cell-c", 7), "cell-b", NOW_S)
    lookup.learn_truth(home(KEY, "cell-b", 5), "cell-a", NOW_S, lookup.generation)
    assert where(lookup) == ("cell-c", 7)
    lookup.learn_truth(home("user:9"), "cell-a", NOW_S, lookup.generation)
    await until(lambda: shared.fills != [])
    assert [record.key for fill in shared.fills for record in fill] == ["user:9"]


@asynchronous
async def test_what_was_asked_before_continuity_was_lost_is_due_for_reading_again() -> None:
    lookup = believing(FakeStore())
    generation = lookup.generation
    lookup.lose_continuity()
    lookup.learn_truth(home(KEY, "cell-b", 5), "cell-a", NOW_S, generation)
    assert where(lookup) is None


@asynchronous
async def test_a_key_that_names_another_is_learnt_too() -> None:
    lookup = believing(FakeStore())
    named = Alias("email:ann@example.org", KEY, 1, NOW_S)
    record = Assignment(KEY, "cell-b", "eu", 5, updated_at_s=NOW_S, aliases=(named,))
    lookup.learn_truth(record, "cell-a", NOW_S, lookup.generation)
    assert where(lookup, key=named.key) == ("cell-b", 5)


@asynchronous
async def test_whom_the_truth_does_not_know_is_forgotten() -> None:
    lookup = believing(FakeStore(home(KEY, "cell-a", 3)))
    await lookup.resolve(KEY, None, NOW_S, safe=True)
    lookup.forget(KEY)
    assert where(lookup) is None


@asynchronous
async def test_a_witness_brings_the_record_along() -> None:
    record = home(KEY, "cell-b", 5)
    store = FakeStore(record)
    confirmations = Confirmations(store.confirm, LookupSettings(), Counts())
    resolution, found = await confirmations.witness(KEY, NOW_S)
    assert (resolution.outcome, resolution.tier, resolution.cell) == (Outcome.FOUND, Tier.STORE, "cell-b")
    assert found == record
    resolution, found = await confirmations.witness("user:2", NOW_S)
    assert (resolution.outcome, found) == (Outcome.UNKNOWN, None)
    store.failure = StoreUnavailableError("the test took it away")
    resolution, found = await confirmations.witness(KEY, NOW_S)
    assert (resolution.outcome, found) == (Outcome.UNAVAILABLE, None)
    await confirmations.close()
