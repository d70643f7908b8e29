"""Random moves, claims, gaps, evictions and clock steps against a model that simply knows the truth.

No answer may differ from the truth, once the worker has heard of every change or read the history again,
nor a stale one while the store is down.
"""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lookup.assignment import NO_EPOCH, Assignment
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import SILENT
from lookup.ports import History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Resolution
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import settle
from tests.lookup.fakes import NOW_S, FakeStore, home

KEYS = st.sampled_from([f"user:{number}" for number in range(4)])
CELLS = st.sampled_from(["cell-a", "cell-b", "cell-c"])
SKEW_S = 5.0
CLAIM_LIFETIME_S = 400.0
SETTINGS = LookupSettings(
    deadline_s=10.0,
    hard_stale_s=CLAIM_LIFETIME_S,  # as in a config: no answer may be older than what is known of moves
    claim_lifetime_s=CLAIM_LIFETIME_S,
    memory_entries=3,
    unknown_entries=2,
    moved_keys=2,
    clock_skew_s=SKEW_S,
    failures_to_open=1_000_000,
)


class ResolverMachine(RuleBasedStateMachine):
    """The store, the feed (which may lose events until a resync) and credentials, all around one resolver."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now_s = NOW_S
        self.store = FakeStore()
        self.moves: list[KeyMove] = []
        self.claims: list[tuple[str, Hint]] = []
        self.missed = False
        self.memory = Memory(
            SETTINGS.memory_entries, SETTINGS.unknown_entries, SETTINGS.lifetimes(), Random(1)
        )
        self.moved = MovedSet(SETTINGS.moved_keys, SKEW_S)
        self.resolver = self.loop.run_until_complete(self.build())

    async def build(self) -> Resolver:
        return Resolver(self.memory, self.moved, self.store, None, SETTINGS, SILENT)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.resolver.close())
        self.loop.close()

    @initialize()
    def catch_up(self) -> None:
        """Some users are there before the worker starts."""
        self.store.records = {key: home(key, "cell-a", 1) for key in ("user:0", "user:1", "user:2")}
        self.resync()

    @rule(key=KEYS, cell=CELLS)
    def change(self, key: str, cell: str) -> None:
        """A placement or a move that the feed tells."""
        self.write(key, cell, heard=True)

    @rule(key=KEYS, cell=CELLS)
    def change_unheard(self, key: str, cell: str) -> None:
        """One that the feed loses, which shows sooner or later."""
        self.write(key, cell, heard=False)

    @rule(cell=CELLS)
    def evacuate_unheard(self, cell: str) -> None:
        """Everybody leaves the cell in a gap: more than are remembered one by one."""
        for key, record in list(self.store.records.items()):
            if record.cell == cell:
                self.write(key, "cell-c" if cell == "cell-a" else "cell-a", heard=False)
        self.resync()

    def write(self, key: str, cell: str, heard: bool) -> None:
        former = self.store.records.get(key)
        epoch = 1 if former is None else former.epoch + 1
        left_cell = "" if former is None else former.cell
        record = Assignment(key, cell, "eu", epoch, updated_at_s=self.now_s)
        self.store.records[key] = record
        if former is not None:
            self.moves.append(KeyMove(key, epoch, self.now_s, left_cell))
        if heard:
            self.resolver.learn_change(record, left_cell, self.now_s)
        else:
            self.missed = True

    @rule()
    def resync(self) -> None:
        """What the follower does at the start and after a gap."""
        self.resolver.lose_continuity()
        since_s = self.now_s - CLAIM_LIFETIME_S
        self.resolver.learn_history(
            History(since_s, [move for move in self.moves if move.moved_at_s > since_s]), self.now_s
        )
        self.beat()
        self.missed = False

    @rule(seconds=st.sampled_from([0.5, 4.0, 29.0, 350.0]))
    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.beat()

    @rule(key=KEYS, with_epoch=st.booleans(), skew_s=st.sampled_from([-SKEW_S, 0.0, SKEW_S]))
    def issue(self, key: str, with_epoch: bool, skew_s: float) -> None:
        """A credential that says what is true now, by a clock that may be wrong."""
        record = self.store.records.get(key)
        if record is not None:
            epoch = record.epoch if with_epoch else NO_EPOCH
            self.claims.append((key, Hint(record.cell, epoch, self.now_s + skew_s)))
            del self.claims[:-30]

    @rule(key=KEYS, safe=st.booleans())
    def resolve(self, key: str, safe: bool) -> None:
        """A lookup that waits for the tiers."""
        answer = self.loop.run_until_complete(self.resolver.resolve(key, None, self.now_s, safe))
        assert answer.outcome is not Outcome.UNAVAILABLE
        self.check(key, answer)

    @rule(key=KEYS)
    def resolve_while_the_store_is_down(self, key: str) -> None:
        """A lookup that no tier answers."""
        self.store.failure = StoreUnavailableError("down")
        answer = self.loop.run_until_complete(self.resolver.resolve(key, None, self.now_s, True))
        self.loop.run_until_complete(settle())
        self.store.failure = None
        if answer.outcome is not Outcome.UNAVAILABLE:
            self.check(key, answer)

    @rule()
    def end_readings(self) -> None:
        """Background readings come to their end."""
        self.loop.run_until_complete(settle())

    @invariant()
    def answers_are_right(self) -> None:
        """Whatever may be asked now."""
        for safe in (False, True):
            for key in self.store.records:
                self.check(key, self.resolver.recall(key, None, self.now_s, safe))
            for key, hint in self.claims:
                self.check(key, self.resolver.recall(key, hint, self.now_s, safe))

    @invariant()
    def bounds_hold(self) -> None:
        """Nothing grows beyond its bound."""
        assert len(self.memory.known) <= SETTINGS.memory_entries
        assert len(self.memory.unknown) <= SETTINGS.unknown_entries
        assert len(self.moved) <= SETTINGS.moved_keys

    def beat(self) -> None:
        self.resolver.forget_moves_before(self.now_s - CLAIM_LIFETIME_S)
        self.resolver.believe_claims_until(self.now_s + 3)

    def check(self, key: str, answer: Resolution | None) -> None:
        if answer is None:
            return
        record = self.store.records.get(key)
        assert answer.key == key
        assert answer.epoch <= (NO_EPOCH if record is None else record.epoch)
        if self.missed:
            return
        if record is None:
            assert answer.outcome is Outcome.UNKNOWN
        else:
            assert (answer.outcome, answer.cell) == (Outcome.FOUND, record.cell)


TestResolverMachine = pytest.mark.slow(ResolverMachine.TestCase)
TestResolverMachine.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def test_the_model_notices_a_wrong_answer() -> None:
    machine = ResolverMachine()
    machine.catch_up()
    machine.store.records["user:1"] = home("user:1", "cell-a")
    machine.memory.learn(home("user:1", "cell-b"), machine.now_s, machine.memory.generation)
    try:
        machine.answers_are_right()
    except AssertionError:
        return
    finally:
        machine.teardown()
    raise AssertionError("a wrong cell went unnoticed")
