"""The misroute watch over names: of whom they are remembered, and of whom they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from lookup.assignment import Alias, Assignment
from lookup.resolution import Tier
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.misroute_site import Site


def named(key: str, home_key: str, epoch: int = 1) -> Assignment:
    """The home's record as a store answers it to who asks by that name."""
    return replace(home(home_key), aliases=(Alias(key, home_key, epoch, NOW_S),))


MAIL = "email:ann@example.org"


@asynchronous
async def test_a_name_that_is_remembered_as_the_store_has_it_is_no_misroute() -> None:
    site = Site()
    site.store.records[MAIL] = named(MAIL, "user:1")
    site.remember_name(MAIL, "user:1")
    await site.turns(10)
    assert site.seen.checks[Tier.MEMORY] == 10
    assert not site.seen.misroutes


@asynchronous
async def test_homes_and_names_are_compared_by_turns() -> None:
    site = Site()
    for number in range(300):
        site.remember(f"user:{number}")
        site.remember_name(f"email:{number}@example.org", f"user:{number}")
    await site.turns(20)
    asked = Counter(key.partition(":")[0] for keys in site.store.readings for key in keys)
    assert min(asked["user"], asked["email"]) >= 40


@asynchronous
async def test_a_name_that_became_another_ones_unheard_is_counted_once_and_mended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    site.remember_name(MAIL, "user:1")
    site.store.records[MAIL] = named(MAIL, "user:2", 2)
    await site.turns(20)
    assert site.seen.misroutes == {Tier.MEMORY: 1}
    entry = site.memory.aliases.find(MAIL)
    assert entry is not None
    assert (entry.cell, entry.epoch) == ("user:2", 2)
    assert site.moved.alias_epoch_of(MAIL) == 2
    assert "user:" not in caplog.text  # who it is stays out of the log


@asynchronous
async def test_a_name_that_names_nobody_or_got_a_home_of_its_own_unheard_is_forgotten() -> None:
    for truth in (None, home(MAIL, "cell-b", 1)):
        site = Site()
        site.remember_name(MAIL, "user:1")
        if truth is not None:
            site.store.records[MAIL] = truth
        await site.turns(8)
        assert site.seen.misroutes == {Tier.MEMORY: 1}
        assert site.memory.aliases.find(MAIL) is None


@asynchronous
async def test_a_name_in_the_shared_cache_that_would_be_believed_is_filled_anew() -> None:
    shared = FakeStore()
    shared.records[MAIL] = named(MAIL, "user:1")
    site = Site(shared)
    site.store.records[MAIL] = named(MAIL, "user:2", 2)
    site.remember_name(MAIL, "user:2", 2)
    await site.turns(8)
    assert site.seen.misroutes == {Tier.SHARED: 1}
    assert shared.fills == [[named(MAIL, "user:2", 2)]]


@asynchronous
async def test_a_name_in_the_shared_cache_against_which_the_feed_spoke_is_no_misroute() -> None:
    shared = FakeStore()
    shared.records[MAIL] = named(MAIL, "user:1")
    site = Site(shared)
    site.store.records[MAIL] = named(MAIL, "user:2", 2)
    site.remember_name(MAIL, "user:1")
    site.lookup.learn_alias(Alias(MAIL, "user:2", 2, NOW_S), site.now_s)
    await site.turns(20)
    assert not site.seen.misroutes
