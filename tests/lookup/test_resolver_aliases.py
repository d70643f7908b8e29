"""Keys that name a home: one miss warms them all, one move is seen through all, none is believed alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from lookup.aliases import FREED, NAMES
from lookup.assignment import Alias, Assignment
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Resolution, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, FakeStore, home

SETTINGS = LookupSettings(deadline_s=10.0)
MAIL = Alias("email:a@x", "user:1", 1, NOW_S)
KEY = Alias("apikey:k", "user:1", 1, NOW_S)


def aliased(cell: str = "cell-a", epoch: int = 1, *aliases: Alias) -> Assignment:
    return Assignment("user:1", cell, "eu", epoch, updated_at_s=NOW_S, aliases=aliases or (MAIL, KEY))


def put(store: FakeStore, record: Assignment) -> None:
    """As a store tells it: by its own key and by every alias."""
    for key in ("user:1", MAIL.key, KEY.key):
        store.records.pop(key, None)
    for key in (record.key, *(alias.key for alias in record.aliases)):
        store.records[key] = record


def build(store: FakeStore, shared: FakeStore | None = None) -> Resolver:
    return build_resolver(store, SETTINGS, Random(1), shared)


def told(answer: Resolution | None) -> tuple[str, str, int, Tier]:
    assert answer is not None
    return answer.key, answer.cell, answer.epoch, answer.tier


@asynchronous
async def test_one_miss_warms_the_home_and_all_that_name_it() -> None:
    for first in ("user:1", MAIL.key):
        store = FakeStore()
        put(store, aliased())
        lookup = build(store)
        assert told(await lookup.resolve(first, None, NOW_S, True)) == ("user:1", "cell-a", 1, Tier.STORE)
        for key in ("user:1", MAIL.key, KEY.key):
            assert told(lookup.recall(key, None, NOW_S, False)) == ("user:1", "cell-a", 1, Tier.MEMORY)
        assert store.readings == [[first]]


@asynchronous
async def test_all_keys_of_a_home_share_one_remembered_answer() -> None:
    store = FakeStore()
    put(store, aliased())
    lookup = build(store)
    await lookup.resolve("user:1", None, NOW_S, True)
    answers = {id(lookup.recall(key, None, NOW_S, True)) for key in ("user:1", MAIL.key, KEY.key)}
    assert len(answers) == 1


@asynchronous
async def test_a_move_of_the_home_is_seen_through_every_alias_at_once() -> None:
    store = FakeStore()
    put(store, aliased())
    lookup = build(store)
    await lookup.resolve(MAIL.key, None, NOW_S, True)
    lookup.learn_change(home("user:1", "cell-b", 2), "cell-a", NOW_S)
    for key in ("user:1", MAIL.key, KEY.key):
        assert told(lookup.recall(key, None, NOW_S, False)) == ("user:1", "cell-b", 2, Tier.MEMORY)


@asynchronous
async def test_an_alias_that_names_another_home_is_answered_with_that_one_from_then_on() -> None:
    store = FakeStore(home("user:2", "cell-b"))
    put(store, aliased())
    lookup = build(store)
    for key in ("user:1", "user:2"):
        await lookup.resolve(key, None, NOW_S, True)
    lookup.learn_alias(Alias(MAIL.key, "user:2", 2, NOW_S), NOW_S)
    assert told(lookup.recall(MAIL.key, None, NOW_S, False))[:2] == ("user:2", "cell-b")
    assert told(lookup.recall(KEY.key, None, NOW_S, False))[:2] == ("user:1", "cell-a")


@asynchronous
async def test_a_change_of_an_alias_that_comes_late_does_not_undo_a_later_one() -> None:
    store = FakeStore(home("user:2", "cell-b"))
    put(store, aliased("cell-a", 1, replace(MAIL, epoch=3)))
    lookup = build(store)
    for key in ("user:1", "user:2"):
        await lookup.resolve(key, None, NOW_S, True)
    for epoch in (2, 3):
        lookup.learn_alias(Alias(MAIL.key, "user:2", epoch, NOW_S), NOW_S)
        assert told(lookup.recall(MAIL.key, None, NOW_S, False))[:2] == ("user:1", "cell-a")


@asynchronous
async def test_an_alias_that_was_unknown_is_asked_for_once_the_feed_tells_of_it() -> None:
    store = FakeStore()
    lookup = build(store)
    assert (await lookup.resolve(MAIL.key, None, NOW_S, True)).outcome is Outcome.UNKNOWN
    put(store, aliased())
    assert lookup.recall(MAIL.key, None, NOW_S, True) is not None, "remembered as unknown"
    lookup.learn_alias(MAIL, NOW_S)
    assert lookup.recall(MAIL.key, None, NOW_S, True) is None
    assert told(await lookup.resolve(MAIL.key, None, NOW_S, True))[1] == "cell-a"


@asynchronous
async def test_a_change_of_an_alias_from_a_far_future_discredits_no_copy_that_is_made_long_after() -> None:
    shared = FakeStore()
    lookup = build_resolver(FakeStore(), replace(SETTINGS, moved_keys=2), Random(1), shared)
    lookup.learn_history(History(NOW_S - 200, ()), NOW_S)
    for number in range(4):  # more than are kept one by one
        lookup.learn_alias(Alias(f"email:{number}@x", "user:9", 2, NOW_S + 1e8), NOW_S)
    for later_s, tier in ((60.0, Tier.STORE), (3700.0, Tier.SHARED)):
        made_s = NOW_S + later_s
        shared.records[MAIL.key] = replace(
            aliased("cell-a", 1, replace(MAIL, read_at_s=made_s)), read_at_s=made_s
        )
        assert (await lookup.resolve(MAIL.key, None, made_s, True)).tier is tier


@asynchronous
async def test_an_alias_that_was_freed_is_unknown_though_caches_still_tell_of_it() -> None:
    store, shared = FakeStore(), FakeStore()
    put(store, aliased("cell-a", 1, KEY))
    put(shared, aliased())
    lookup = build(store, shared)
    await lookup.resolve(MAIL.key, None, NOW_S, True)
    lookup.learn_alias(Alias(MAIL.key, "", 2, NOW_S), NOW_S)
    assert lookup.recall(MAIL.key, None, NOW_S, True) is None
    answer = await lookup.resolve(MAIL.key, None, NOW_S, True)
    assert (answer.outcome, answer.tier) == (Outcome.UNKNOWN, Tier.STORE)
    assert told(lookup.recall("user:1", None, NOW_S, True))[1] == "cell-a"


@asynchronous
async def test_an_alias_that_the_store_knows_no_more_is_unknown_once_the_feed_says_so_too() -> None:
    store = FakeStore()
    put(store, aliased("cell-a", 1, KEY))
    lookup = build(store)
    lookup.learn_alias(Alias(MAIL.key, "user:1", 2, NOW_S), NOW_S)
    assert (await lookup.resolve(MAIL.key, None, NOW_S, True)).outcome is Outcome.UNAVAILABLE
    lookup.learn_alias(Alias(MAIL.key, "", 3, NOW_S), NOW_S)
    assert (await lookup.resolve(MAIL.key, None, NOW_S, True)).outcome is Outcome.UNKNOWN


@asynchronous
async def test_a_shared_cache_that_missed_the_change_of_an_alias_is_not_believed() -> None:
    store, shared = FakeStore(), FakeStore(home("user:2", "cell-b"))
    put(shared, aliased())
    renamed = Alias(MAIL.key, "user:2", 2, NOW_S)
    store.records[MAIL.key] = Assignment("user:2", "cell-b", "eu", 1, aliases=(renamed,))
    lookup = build(store, shared)
    lookup.learn_alias(renamed, NOW_S)
    assert told(await lookup.resolve(MAIL.key, None, NOW_S, True))[:2] == ("user:2", "cell-b")


@pytest.mark.parametrize(
    ("read_at_s", "changes", "tier"),
    [(NOW_S - 210, 0, Tier.STORE), (NOW_S - 130, 4, Tier.STORE), (NOW_S - 100, 4, Tier.SHARED)],
    ids=["before the history", "before a change that is not kept any more", "after both"],
)
@pytest.mark.parametrize("mark", [NAMES, FREED])
@asynchronous
async def test_a_cached_name_that_a_forgotten_change_may_have_outdated_is_not_believed(
    read_at_s: float, changes: int, tier: Tier, mark: str
) -> None:
    copy = replace(aliased("cell-a", 1, replace(MAIL, read_at_s=read_at_s)), read_at_s=NOW_S - 1)
    truth = Assignment("user:2", "cell-b", "eu", 1, aliases=(Alias(MAIL.key, "user:2", 2, NOW_S),))
    store, shared = FakeStore(), FakeStore()
    store.records[MAIL.key] = truth
    shared.records[MAIL.key] = copy
    lookup = build_resolver(store, replace(SETTINGS, moved_keys=2), Random(1), shared)
    moves = [KeyMove(f"email:{number}@x", 2, NOW_S - 130, mark) for number in range(changes)]
    lookup.learn_history(History(NOW_S - 200, moves), NOW_S)
    answer = await lookup.resolve(MAIL.key, None, NOW_S, False)
    assert (answer.key, answer.tier) == ("user:1" if tier is Tier.SHARED else "user:2", tier)


@asynchronous
async def test_a_shared_cache_that_missed_the_move_of_the_home_is_not_believed_for_an_alias() -> None:
    store, shared = FakeStore(), FakeStore()
    put(shared, aliased())
    put(store, aliased("cell-b", 2))
    lookup = build(store, shared)
    lookup.learn_change(home("user:1", "cell-b", 2), "cell-a", NOW_S)
    assert told(await lookup.resolve(MAIL.key, None, NOW_S, True))[1:3] == ("cell-b", 2)


@asynchronous
async def test_a_reading_of_the_home_that_an_alias_change_overtakes_does_not_bring_the_old_name_back() -> (
    None
):
    store = FakeStore(home("user:2", "cell-b"))
    put(store, aliased())
    lookup = build(store)
    await lookup.resolve("user:2", None, NOW_S, True)
    lookup.learn_alias(Alias(MAIL.key, "user:2", 2, NOW_S), NOW_S)
    await lookup.resolve("user:1", None, NOW_S, True)
    assert lookup.recall(MAIL.key, None, NOW_S, True) is None
    assert lookup.recall(KEY.key, None, NOW_S, True) is not None


@asynchronous
async def test_a_claim_is_not_believed_for_a_key_that_may_be_an_alias() -> None:
    store = FakeStore()
    put(store, aliased("cell-b", 2))
    lookup = build(store)
    lookup.learn_history(History(0.0, ()), NOW_S)
    lookup.believe_claims_until(NOW_S + 3)
    hint = Hint("cell-a", 1, NOW_S - 100)
    assert told(lookup.recall("user:9", hint, NOW_S, True))[1] == "cell-a"
    assert lookup.recall(MAIL.key, hint, NOW_S, True) is None
    assert told(await lookup.resolve(MAIL.key, hint, NOW_S, True))[1] == "cell-b"


@asynchronous
async def test_after_a_gap_an_unsafe_method_waits_for_name_and_home_to_be_read_again() -> None:
    store = FakeStore()
    put(store, aliased())
    lookup = build(store)
    await lookup.resolve(MAIL.key, None, NOW_S, True)
    lookup.lose_continuity()
    assert lookup.recall(MAIL.key, None, NOW_S, True) is not None
    assert lookup.recall(MAIL.key, None, NOW_S, False) is None
    await until(lambda: lookup.recall(MAIL.key, None, NOW_S, False) is not None)


@asynchronous
async def test_an_alias_is_served_while_due_and_read_again_in_the_background() -> None:
    store = FakeStore()
    put(store, aliased())
    lookup = build(store)
    await lookup.resolve(MAIL.key, None, NOW_S, True)
    due_s = NOW_S + SETTINGS.refresh_s
    assert lookup.recall(MAIL.key, None, due_s, True) is not None
    await until(lambda: len(store.readings) > 1)
    assert lookup.recall(MAIL.key, None, NOW_S + 10 * SETTINGS.expiry_s, True) is None


@asynchronous
async def test_when_no_tier_answers_an_old_answer_serves_aliases_of_safe_requests_as_well() -> None:
    store = FakeStore()
    put(store, aliased())
    lookup = build(store)
    await lookup.resolve("user:1", None, NOW_S, True)
    store.failure = StoreUnavailableError("down")
    late_s = NOW_S + SETTINGS.expiry_s + 1
    assert told(await lookup.resolve(MAIL.key, None, late_s, True)) == ("user:1", "cell-a", 1, Tier.STALE)
    assert (await lookup.resolve(MAIL.key, None, late_s, False)).outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_a_record_that_answers_another_question_is_never_used() -> None:
    store = FakeStore(home("user:1"))
    store.records["email:b@x"] = aliased()
    lookup = build(store)
    assert (await lookup.resolve("email:b@x", None, NOW_S, True)).outcome is Outcome.UNAVAILABLE


@asynchronous
async def test_a_key_that_was_an_alias_may_get_a_home_of_its_own() -> None:
    store = FakeStore(home("tenant:t", "cell-b"))
    lookup = build(store)
    lookup.learn_alias(Alias("tenant:t", "user:1", 6, NOW_S), NOW_S)
    lookup.learn_alias(Alias("tenant:t", "", 7, NOW_S), NOW_S)
    assert told(await lookup.resolve("tenant:t", None, NOW_S, True))[:3] == ("tenant:t", "cell-b", 1)
    lookup.learn_change(home("tenant:t", "cell-c", 2), "cell-b", NOW_S)
    assert told(lookup.recall("tenant:t", None, NOW_S, False))[1:3] == ("cell-c", 2)


@asynchronous
async def test_an_alias_that_is_named_while_it_is_being_read_is_not_unknown() -> None:
    store = FakeStore()
    store.gate.clear()
    lookup = build(store)
    caller = asyncio.create_task(lookup.resolve(MAIL.key, None, NOW_S, True))
    await until(lambda: store.running == 1)
    put(store, aliased())
    lookup.learn_alias(MAIL, NOW_S)
    store.gate.set()
    assert (await caller).cell == "cell-a"
