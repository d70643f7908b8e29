"""Lookups at intended times, and what they add up to."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from bench.lookup.openloop import STARTS_A_TURN, Tally, drive, saturate
from lookup.assignment import Assignment
from lookup.ports import StoreUnavailableError
from lookup.resolver import build_resolver
from lookup.settings import LookupSettings

PATIENT = LookupSettings(deadline_s=20.0)


class SlowStore:
    """Knows every key but `user:unknown`, after a while; fails for `user:broken`."""

    def __init__(self, delay_s: float) -> None:
        self.readings = 0
        self.most_keys = 0
        self.most_at_once = 0
        self._at_once = 0
        self._delay_s = delay_s

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        self.readings += 1
        self.most_keys = max(self.most_keys, len(keys))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self._delay_s)
        self._at_once -= 1
        if "user:broken" in keys:
            raise StoreUnavailableError("broken")
        return {key: Assignment(key, "cell-01", "eu", 1) for key in keys if key != "user:unknown"}


def asked(store: SlowStore, keys: Sequence[str], intended_s: Sequence[float]) -> Tally:
    async def scenario() -> Tally:
        lookup = build_resolver(store, PATIENT, Random(1))
        try:
            return await drive(lookup, keys, array("d", intended_s))
        finally:
            await lookup.close()

    return asyncio.run(scenario())


def test_lookups_start_at_their_times_though_the_ones_before_are_not_answered() -> None:
    store = SlowStore(0.1)
    tally = asked(store, ["user:1", "user:2", "user:3"], [0.0, 0.03, 0.06])
    assert store.most_at_once > 1 or store.readings < 3, "on a busy machine they start together"
    assert len(tally.latencies_s) == 3
    assert min(tally.latencies_s) >= 0.09
    assert tally.answers == Counter({"store": 3})


def test_a_latency_counts_from_the_intended_start() -> None:
    tally = asked(SlowStore(0.0), ["user:1", "user:2"], [-1.0, 0.0])
    assert tally.latencies_s[0] >= 1.0
    assert tally.latencies_s[1] < 1.0


def test_who_is_behind_lets_answers_in_between() -> None:
    store = SlowStore(0.0)
    tally = asked(store, [f"user:{number}" for number in range(1000)], [-1.0] * 1000)
    assert tally.answers == Counter({"store": 1000})
    assert store.most_keys <= STARTS_A_TURN, "each turn's keys are read before more are asked for"


def test_answers_are_counted_by_tier_and_those_without_a_home_as_errors() -> None:
    async def scenario() -> Tally:
        lookup = build_resolver(SlowStore(0.0), PATIENT, Random(1))
        keys = ["user:1", "user:1", "user:1", "user:unknown", "user:broken"]
        first, *others = [await drive(lookup, [key], array("d", [0.0])) for key in keys]
        await lookup.close()
        return sum(others, first)

    tally = asyncio.run(scenario())
    assert tally.answers == Counter({"store": 1, "memory": 2, "unknown": 1, "unavailable": 1})
    assert tally.errors == 2
    assert tally.said_by().startswith("memory 40.00%")


def test_callers_in_a_closed_loop_ask_for_every_key_once() -> None:
    store = SlowStore(0.001)

    async def scenario() -> Tally:
        lookup = build_resolver(store, replace(PATIENT, memory_entries=1000), Random(1))
        try:
            return await saturate(lookup, [f"user:{number}" for number in range(100)], 10)
        finally:
            await lookup.close()

    tally = asyncio.run(scenario())
    assert tally.answers == Counter({"store": 100})
    assert store.readings < 100, "what is asked for in one turn of the loop is read together"


def test_tallies_of_several_processes_are_added_and_the_longest_counts_for_the_rate() -> None:
    one = Tally(array("d", [0.001, 0.002]), Counter(memory=2), 1.0, 0.5)
    other = Tally(array("d", [0.004, 0.003]), Counter(redis=1, unavailable=1), 2.0, 0.25)
    both = one + other
    assert (both.rate_per_s, both.cpu_s, both.errors) == (2.0, 0.75, 1)
    figures = both.tail("all", 5.0)
    assert [figure.name for figure in figures] == ["all, p50", "all, p99", "all, p99.9"]
    assert [figure.value for figure in figures] == [2.0, 4.0, 4.0]
    assert [figure.target for figure in figures] == [None, 5.0, None]
