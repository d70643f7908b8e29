from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lookup.assignment import State
from lookup.memory import Entry, Lifetimes, Memory, SecondChance
from lookup.resolution import Outcome
from tests.lookup.fakes import NOW_S, home


def entry(key: str) -> Entry:
    return Entry(Outcome.FOUND, key, "cell-a", "eu", 1, State.PLACED, NOW_S, NOW_S, 0)


def memory(entries: int = 100, unknown_entries: int = 10) -> Memory:
    return Memory(entries, unknown_entries, Lifetimes(60, 300, 86_400, 5), Random(7))


@pytest.mark.parametrize("capacity", [1, 3, 1024, 1025, 5000])
def test_the_cache_never_holds_more_than_its_capacity_and_fills_it(capacity: int) -> None:
    cache = SecondChance(capacity)
    for number in range(capacity * 3 + 50):
        cache.put(entry(f"user:{number}"))
        assert len(cache) == min(number + 1, capacity)
    assert sum(cache.find(f"user:{n}") is not None for n in range(capacity * 3 + 50)) == capacity


def test_what_was_used_survives_what_was_not() -> None:
    cache = SecondChance(100)
    for number in range(100):
        cache.put(entry(f"old:{number}"))
    used = cache.find("old:0")
    assert used is not None
    used.referenced = True
    for number in range(99):
        cache.put(entry(f"new:{number}"))
    assert cache.find("old:0") is used
    assert not used.referenced, "its second chance is spent"
    assert cache.find("old:99") is None


def test_eviction_ends_when_everything_was_used() -> None:
    cache = SecondChance(50)
    for number in range(50):
        cache.put(entry(f"user:{number}"))
    for number in range(50):
        found = cache.find(f"user:{number}")
        assert found is not None
        found.referenced = True
    cache.put(entry("user:new"))
    assert cache.find("user:new") is not None
    assert len(cache) == 50


def test_a_key_put_again_takes_no_second_place_and_keeps_its_chance() -> None:
    cache = SecondChance(2)
    first = entry("user:1")
    cache.put(first)
    first.referenced = True
    again = entry("user:1")
    cache.put(again)
    assert len(cache) == 1
    assert cache.find("user:1") is again
    assert again.referenced


def test_a_dropped_key_leaves_room() -> None:
    cache = SecondChance(1)
    cache.put(entry("user:1"))
    cache.drop("user:1")
    cache.drop("user:1")
    assert len(cache) == 0
    cache.put(entry("user:2"))
    assert len(cache) == 1


def test_probing_for_unknown_users_pushes_no_known_one_out() -> None:
    remembered = memory(entries=5, unknown_entries=3)
    for number in range(5):
        remembered.learn(home(f"user:{number}"), NOW_S, 0)
    for number in range(1000):
        remembered.learn_unknown(f"user:x{number}", NOW_S, 0)
    assert len(remembered.known) == 5
    assert len(remembered.unknown) == 3


def test_entries_read_together_fall_due_apart_but_never_later_than_configured() -> None:
    remembered = memory()
    for number in range(100):
        remembered.learn(home(f"user:{number}"), NOW_S, 0)
    loaded = [e.loaded_at_s for n in range(100) if (e := remembered.known.find(f"user:{n}"))]
    assert len(set(loaded)) == 100
    assert NOW_S - 30 <= min(loaded) < NOW_S - 25
    assert NOW_S - 5 < max(loaded) <= NOW_S


def test_reading_the_same_record_again_renews_the_entry_in_place() -> None:
    remembered = memory()
    remembered.learn(home("user:1"), NOW_S, 0)
    before = remembered.known.find("user:1")
    remembered.learn(home("user:1"), NOW_S + 1000, 3)
    after = remembered.known.find("user:1")
    assert after is before
    assert after is not None
    assert after.loaded_at_s > NOW_S + 900
    assert after.generation == 3


def test_another_record_never_changes_an_answer_that_was_handed_out() -> None:
    remembered = memory()
    remembered.learn(home("user:1", "cell-a", 1), NOW_S, 0)
    handed_out = remembered.known.find("user:1")
    remembered.learn(home("user:1", "cell-b", 2), NOW_S, 0)
    assert handed_out is not None
    assert (handed_out.cell, handed_out.epoch) == ("cell-a", 1)
    now = remembered.known.find("user:1")
    assert now is not None
    assert (now.cell, now.epoch) == ("cell-b", 2)


def test_a_key_is_either_known_or_unknown() -> None:
    remembered = memory()
    remembered.learn_unknown("user:1", NOW_S, 0)
    remembered.learn(home("user:1"), NOW_S, 0)
    assert remembered.unknown.find("user:1") is None
    remembered.learn_unknown("user:1", NOW_S, 0)
    assert remembered.known.find("user:1") is None


@pytest.mark.parametrize("times", [(60, 60, 100, 5), (60, 300, 300, 5), (0, 1, 2, 5), (1, 2, 3, 0)])
def test_contradicting_lifetimes_are_refused(times: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError):
        Lifetimes(*times)


def test_a_cache_without_room_is_refused() -> None:
    with pytest.raises(ValueError):
        SecondChance(0)


def test_a_copy_that_was_made_by_a_clock_ahead_is_not_from_later_than_when_it_was_found() -> None:
    remembered = memory()
    for copied_at_s, read_at_s in ((0.0, NOW_S), (NOW_S - 9, NOW_S - 9), (NOW_S + 9, NOW_S)):
        remembered.learn(replace(home("user:1"), read_at_s=copied_at_s), NOW_S, 0)
        found = remembered.known.find("user:1")
        assert found is not None
        assert found.read_at_s == read_at_s
