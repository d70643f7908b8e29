"""Random placements, moves, namings, gaps and restarts over the real embedded store, against plain dicts.

Whoever has heard the whole feed, or read the history since, answers every key as the truth does, by its own
name or through an alias. A key that the feed calls an alias and the store knows no more can't be told from
one that the store does not know yet: until the feed says that it was freed, it is not to be known, instead of
unknown.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lookup.aliases import AliasRefusedError, name_home
from lookup.assignment import NO_EPOCH, Alias, Assignment
from lookup.ports import EpochConflictError
from lookup.resolution import Outcome, Resolution
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import settle
from tests.lookup.fakes import NOW_S
from tests.lookup.stores.contract import next_change

T = TypeVar("T")

USERS = ["user:1", "user:2"]
OTHERS = ["email:a@x", "tenant:t"]
KEYS = st.sampled_from([*USERS, *OTHERS])
CELLS = st.sampled_from(["cell-a", "cell-b"])
SETTINGS = LookupSettings(deadline_s=10.0, memory_entries=3, unknown_entries=2, moved_keys=3)


COVERED_S = 400.0
"""Changes that are older, no worker knows of."""


class Copies:
    """A shared cache that hears of nothing: one copy of each home and of each name, as in Redis."""

    def __init__(self) -> None:
        self.homes: dict[str, Assignment] = {}
        self.names: dict[str, Alias] = {}

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        found = {key: self.homes[key] for key in keys if key in self.homes}
        for key in keys:
            alias = self.names.get(key)
            if alias is not None and alias.home in self.homes:
                found[key] = replace(self.homes[alias.home], aliases=(alias,))
        return found

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        for record in assignments:
            self.homes[record.key] = replace(record, aliases=())
            for alias in record.aliases:
                self.names[alias.key] = replace(alias, read_at_s=record.read_at_s)


class AliasMachine(RuleBasedStateMachine):
    """One store, one resolver that hears of changes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.now_s = NOW_S
        self.copies = Copies()
        self.homes: dict[str, tuple[str, int]] = {}
        self.names: dict[str, str] = {}
        self.unheard = 0
        self.freed_unheard: set[str] = set()
        self.store = self.await_(SqliteStore.open(Path(self.folder.name) / "homes.sqlite", create=True))
        self.changes = self.store.follow()
        self.await_(anext(self.changes))
        self.resolver = self.await_(self.build())

    def await_(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    async def build(self) -> Resolver:
        return build_resolver(self.store, SETTINGS, Random(1), self.copies)

    def teardown(self) -> None:
        self.await_(self.end())
        self.loop.close()
        self.folder.cleanup()

    async def end(self) -> None:
        async with aclosing(self.changes):
            await self.resolver.close()
        await self.store.close()

    @initialize()
    def begin_with_users(self) -> None:
        """Most users are there before anybody names them."""
        for user in USERS:
            self.change(user, "cell-a")
        self.resync(is_restart=False, is_lost=False)

    @rule(key=st.sampled_from([*USERS, *USERS, *OTHERS]), cell=CELLS)
    def change(self, key: str, cell: str) -> None:
        """Place the key, or move it on. A key that names another one is refused, with that one's record."""
        present = self.homes.get(key)
        epoch = NO_EPOCH if present is None else present[1]
        new = Assignment(key, cell, "eu", max(epoch, 0) + 1, updated_at_s=self.now_s)
        if key in self.names:
            with pytest.raises(EpochConflictError) as conflict:
                self.await_(self.store.compare_and_set(new, epoch))
            assert conflict.value.current is not None
            assert conflict.value.current.key == self.names[key]
            return
        self.await_(self.store.compare_and_set(new, epoch))
        self.homes[key] = (cell, new.epoch)
        self.unheard += 1

    @rule(key=st.sampled_from([*OTHERS, *OTHERS, "user:1"]), home=st.sampled_from([*USERS, *OTHERS, ""]))
    def name(self, key: str, home: str) -> None:
        """Let a key name another one, or nobody."""
        former = self.names.get(key, "")
        try:
            self.await_(name_home(self.store, key, home, self.now_s))
        except AliasRefusedError:
            is_fit = key in OTHERS and key not in self.homes and home in self.homes
            assert not is_fit
            assert not (home == "" and former)
            return
        self.unheard += former != home
        self.names.pop(key, None)
        self.freed_unheard.discard(key)
        if home:
            self.names[key] = home
        elif former:
            self.freed_unheard.add(key)

    @rule()
    def hear(self) -> None:
        """The worker takes all that the feed has."""
        self.take(is_lost=False)

    def take(self, *, is_lost: bool) -> None:
        async def take() -> None:
            for _ in range(self.unheard):
                change = await next_change(self.changes)
                if is_lost:
                    continue
                if change.alias is not None:
                    self.resolver.learn_alias(change.alias, self.now_s)
                elif change.assignment is not None:
                    self.resolver.learn_change(change.assignment, change.left_cell, self.now_s)

        self.await_(take())
        self.unheard = 0
        self.freed_unheard.clear()

    @rule(is_restart=st.booleans(), is_lost=st.booleans())
    def resync(self, is_restart: bool, is_lost: bool) -> None:
        """After a gap, or as a new worker: what was missed is read from the store."""
        self.take(is_lost=is_lost)
        if is_restart:
            self.await_(self.resolver.close())
            self.resolver = self.await_(self.build())
        self.resolver.lose_continuity()
        self.resolver.learn_history(self.await_(self.store.history(self.now_s - COVERED_S)), self.now_s)

    @rule(key=st.sampled_from(OTHERS), home=st.sampled_from([*USERS, ""]))
    def name_long_ago(self, key: str, home: str) -> None:
        """Copies of the homes are read anew meanwhile, that of the name is not; a new worker's history begins
        after the change."""
        self.resolve(key, safe=False, heard=True)
        self.name(key, home)
        self.pass_time(COVERED_S + 61.0)
        self.resync(is_restart=True, is_lost=False)
        for user in USERS:
            self.resolve(user, safe=False, heard=True)

    @rule(seconds=st.sampled_from([1.0, 29.0, 61.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.resolver.forget_moves_before(self.now_s - COVERED_S)
        self.await_(settle())

    @rule(key=KEYS, safe=st.booleans(), heard=st.booleans())
    def resolve(self, key: str, safe: bool, heard: bool) -> None:
        if heard:
            self.hear()
        answer = self.await_(self.resolver.resolve(key, None, self.now_s, safe))
        if answer.outcome is Outcome.UNAVAILABLE:
            assert key in self.freed_unheard
            assert key not in self.homes
            return
        self.check(key, answer)

    @invariant()
    def the_store_tells_the_truth(self) -> None:
        found = self.await_(self.store.read([*USERS, *OTHERS]))
        assert {key: (record.key, record.cell, record.epoch) for key, record in found.items()} == {
            key: (home, *self.homes[home])
            for key in (*USERS, *OTHERS)
            if (home := self.names.get(key, key)) in self.homes
        }
        assert all(home not in self.names for home in self.names.values())
        for home in self.homes:
            brought = {alias.key for alias in found[home].aliases}
            assert brought == {key for key, named in self.names.items() if named == home}

    @invariant()
    def what_is_remembered_is_right(self) -> None:
        for key in (*USERS, *OTHERS):
            for safe in (False, True):
                self.check(key, self.resolver.recall(key, None, self.now_s, safe))

    def check(self, key: str, answer: Resolution | None) -> None:
        if answer is None or self.unheard:
            return
        home = self.names.get(key, key)
        if home in self.homes:
            assert (answer.key, answer.cell, answer.epoch) == (home, *self.homes[home])
        else:
            assert answer.outcome is Outcome.UNKNOWN


TestAliasMachine = pytest.mark.slow(AliasMachine.TestCase)
TestAliasMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
