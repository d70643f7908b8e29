"""What is answered after the change feed had a gap."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lookup.aliases import NAMES
from lookup.assignment import NO_EPOCH, Alias
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, settle
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.resolving import EXPIRY_S, resolver


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
@pytest.mark.parametrize("others", [0, 60])
async def test_who_left_in_a_gap_is_served_from_there_no_more_though_too_many_left_to_be_remembered(
    others: int,
) -> None:
    store = FakeStore(home("user:0"))
    lookup = forgetful(store)
    await lookup.resolve("user:0", None, NOW_S, safe=True)
    moves = [KeyMove(f"user:{n}", 3, NOW_S + 1 + n / 1000, "cell-a") for n in range(others + 1)]
    bridge_gap(lookup, *moves)
    store.failure = StoreUnavailableError("down")
    assert lookup.recall("user:0", None, NOW_S + 10, safe=True) is None
    silent = await lookup.resolve("user:0", None, NOW_S + EXPIRY_S + 1, safe=True)
    assert silent.outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_who_stayed_where_too_many_left_to_be_remembered_is_read_again_once() -> None:
    store = FakeStore(home("user:1"), home("user:2", "cell-b"))
    lookup = forgetful(store)
    for key in ("user:1", "user:2"):
        await lookup.resolve(key, None, NOW_S, safe=True)
    moves = [KeyMove(f"user:{n}", 3, NOW_S + 1, "cell-a") for n in range(100, 160)]
    bridge_gap(lookup, *moves)
    assert lookup.recall("user:2", None, NOW_S + 10, safe=True) is not None
    await settle()
    unsaid = Hint("cell-a", NO_EPOCH, NOW_S - 1000)
    assert lookup.recall("user:1", unsaid, NOW_S + 10, safe=True) is None
    assert (await lookup.resolve("user:1", unsaid, NOW_S + 10, safe=True)).tier is Tier.STORE
    readings = len(store.readings)
    for later_s in (11, 20, 39):
        for safe in (True, False):
            held = lookup.recall("user:1", unsaid, NOW_S + later_s, safe)
            assert held is not None
            assert (held.cell, held.tier) == ("cell-a", Tier.MEMORY)
    await settle()
    assert len(store.readings) == readings
    lookup.lose_continuity()
    store.failure = StoreUnavailableError("down")
    stale = await lookup.resolve("user:1", None, NOW_S + 20_000, safe=True)
    assert (stale.cell, stale.tier) == ("cell-a", Tier.STALE)


@asynchronous
async def test_a_copy_counts_from_when_it_was_made_not_from_when_it_was_found() -> None:
    """Found before the history is known: nothing could be held against it then."""
    shared = FakeStore(replace(home("user:0"), read_at_s=NOW_S - 1000))
    lookup = forgetful(FakeStore(), shared, caught_up=False)
    assert (await lookup.resolve("user:0", None, NOW_S, safe=True)).tier is Tier.SHARED
    moves = [KeyMove(f"user:{n}", 3, NOW_S - 500, "cell-a") for n in range(60)]
    bridge_gap(lookup, *moves)
    assert lookup.recall("user:0", None, NOW_S + 10, safe=True) is None


@asynchronous
@pytest.mark.parametrize("others", [0, 60])
async def test_a_name_that_changed_in_a_gap_leads_to_its_former_home_no_more(others: int) -> None:
    named = replace(home("user:1"), aliases=(Alias("email:a@x", "user:1", 1, NOW_S - 9000),))
    store = FakeStore(named)
    lookup = forgetful(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    assert lookup.recall("email:a@x", None, NOW_S, safe=True) is not None
    renamed = [KeyMove(f"email:{n}@x", 2, NOW_S + 1, NAMES) for n in range(others)]
    bridge_gap(lookup, KeyMove("email:a@x", 2, NOW_S + 1, NAMES), *renamed)
    assert lookup.recall("email:a@x", None, NOW_S + 10, safe=True) is None
    assert lookup.recall("user:1", None, NOW_S + 10, safe=True) is not None
    store.failure = StoreUnavailableError("down")
    silent = await lookup.resolve("email:a@x", None, NOW_S + 10, safe=True)
    assert silent.outcome is Outcome.UNAVAILABLE


@asynchronous
@pytest.mark.parametrize(("before_s", "is_served"), [(7.5, False), (8.5, True)])
async def test_what_was_read_before_a_gap_may_be_older_by_a_leases_time_and_the_skew(
    before_s: float, is_served: bool
) -> None:
    named = replace(home("user:0"), aliases=(Alias("email:0@x", "user:0", 1, NOW_S - 9000),))
    lookup = forgetful(FakeStore(named))
    await lookup.resolve("user:0", None, NOW_S, safe=True)
    left = [KeyMove(f"user:{n}", 3, NOW_S - before_s, "cell-a") for n in range(1, 61)]
    bridge_gap(lookup, *left)
    assert (lookup.recall("user:0", None, NOW_S + 10, safe=True) is not None) is is_served
    renamed = [KeyMove(f"email:{n}@x", 3, NOW_S - before_s, NAMES) for n in range(1, 61)]
    bridge_gap(lookup, *renamed)
    assert (lookup.recall("email:0@x", None, NOW_S + 10, safe=True) is not None) is is_served


def forgetful(store: FakeStore, shared: FakeStore | None = None, *, caught_up: bool = True) -> Resolver:
    """A resolver that remembers few moves."""
    settings = LookupSettings(deadline_s=5.0, moved_keys=16)
    made = build_resolver(store, settings, Random(1), shared)
    if caught_up:
        bridge_gap(made)
    return made


def bridge_gap(lookup: Resolver, *moves: KeyMove) -> None:
    """As the follower does it."""
    lookup.lose_continuity()
    lookup.learn_history(History(NOW_S - 86_400, moves), NOW_S)
    lookup.believe_claims_until(NOW_S + 1000)


@asynchronous
async def test_a_gap_makes_unknown_keys_be_asked_for_again() -> None:
    store = FakeStore()
    lookup = resolver(store)
    await lookup.resolve("user:1", None, NOW_S, safe=True)
    lookup.lose_continuity()
    assert lookup.recall("user:1", None, NOW_S, safe=True) is None
