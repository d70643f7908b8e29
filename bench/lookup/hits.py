"""How long `Resolver.recall` takes when memory or a claim answers, in nanoseconds of one call."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from time import perf_counter, time
from typing import Final

from bench.lookup.figures import Figure
from lookup.assignment import Assignment
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import SILENT
from lookup.ports import History
from lookup.resolution import Hint
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from lookup.stores.sqlite import SqliteStore

ROUNDS: Final = 9
CALLS: Final = 100_000

Call = tuple[str, Hint | None]


def measure(store: SqliteStore, users: int) -> list[Figure]:
    """Memory hits on few and on many users, claim hits. Must be called inside a running loop."""
    now_s = time()
    settings = LookupSettings(memory_entries=users)
    memory = Memory(users, 1000, settings.lifetimes(), Random(1))
    moved = MovedSet(settings.moved_keys, settings.clock_skew_s)
    lookup = Resolver(memory, moved, store, None, settings, SILENT)
    for number in range(users):
        memory.learn(Assignment(f"user:{number}", "eu-west-1-cell-01", "eu", 1), now_s, 0)
    lookup.learn_history(History(0.0, ()), now_s)
    lookup.believe_claims_until(now_s + 3600)
    few, many = _keys(1000), _keys(users)
    claims = [(key, Hint("eu-west-1-cell-01", 1, now_s - 100)) for key in few[:1000]]
    return [
        Figure("memory hit, 1,000 users", _nanoseconds(lookup, _bare(few), now_s), "ns", 1000),
        Figure(
            f"memory hit, {users:,} users in random order",
            _nanoseconds(lookup, _bare(many), now_s),
            "ns",
            1500,
        ),
        Figure("claim hit, 1,000 users", _nanoseconds(lookup, claims * (CALLS // 1000), now_s), "ns", 1000),
    ]


def _keys(users: int) -> list[str]:
    """Equal to the remembered keys but other objects, as they come from credentials."""
    random = Random(2)
    names = [f"user:{number}" for number in range(users)]
    return [random.choice(names) for _ in range(CALLS)]


def _bare(keys: Sequence[str]) -> list[Call]:
    return [(key, None) for key in keys]


def _nanoseconds(lookup: Resolver, calls: Sequence[Call], now_s: float) -> float:
    """The best of several rounds, less the loop itself."""
    recall = lookup.recall
    rounds, empty = [], []
    for _ in range(ROUNDS):
        begun_s = perf_counter()
        for key, hint in calls:
            recall(key, hint, now_s, True)
        rounds.append(perf_counter() - begun_s)
        begun_s = perf_counter()
        for key, hint in calls:  # noqa: B007 - the cost of going through the calls
            pass
        empty.append(perf_counter() - begun_s)
    assert all(recall(key, hint, now_s, True) is not None for key, hint in calls), "all must be hits"
    return (min(rounds) - min(empty)) / len(calls) * 1e9
