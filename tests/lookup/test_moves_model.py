"""Moves over the real embedded store, with any interleaving of drivers, workers, crashes and time.

The cells and the clock are pretended; store, log, leases, fences and drivers are the real ones. A request
that a worker let through by its lease is taken to end within LINGER_S after the lease has.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lookup.assignment import Assignment, State
from lookup.fence import Fence
from lookup.hooks import HookFailedError
from lookup.lease_keeper import LeaseKeeper
from lookup.leases import LEASE_S
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import HOLD_S, MoveListener, Mover, MoveRefusedError, Patience
from lookup.moves import OVER, Move, MoveOrder, Position, Step
from lookup.ports import Change, EpochConflictError
from lookup.stores import sqlite_feed, sqlite_moves, sqlite_records
from lookup.stores.sqlite_file import open_file
from lookup.writer import place
from tests.lookup.fragile_store import Crash, Fate, FragileStore

KEYS: Final = ("user:1", "user:2")
CELLS: Final = ("cell-a", "cell-b", "cell-c")
LINGER_S: Final = 10.0
REQUEST_S: Final = 3.0
"""A request is sent within this time, or not at all."""
SKEW_S: Final = 5.0
MOMENTS: Final = (
    *("request", "request", "request", "sent", "sent", "end"),
    *("step", "step", "step", "step", "caught up", "caught up", "caught up"),
    *("renewal", "time", "gap", "late", "death"),
)
START_S: Final = 1_800_000_000.0


class StillWaitingError(Exception):
    """A step waits for something that time or a worker must bring."""


@dataclass
class Request:
    """An unsafe request; `cell` is where it goes or went, "" when it was refused."""

    key: str
    cell: str
    leased: bool
    begun_at_s: float
    sent: bool = False


@dataclass
class Worker:
    """What one worker knows, and what it has under way."""

    name: str
    skew_s: float
    fence: Fence
    keeper: LeaseKeeper | None = None
    position: Position | None = None
    known: dict[str, Assignment] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def take(self, change: Change) -> None:
        assert self.position is not None
        assert change.sequence == self.position.sequence + 1
        record = change.assignment
        if record is not None:
            former = self.known.get(record.key)
            if former is None or former.epoch < record.epoch:
                self.known[record.key] = record
            self.fence.changed(record)
        self.position = Position(change.generation, change.sequence)


class Hook:
    """Tells the model that a copy or a verification begins; fails when told to."""

    def __init__(self, model: MoveModel) -> None:
        self._model = model
        self.fails = False

    async def run(self, hook: str, move: Move) -> None:
        if hook == "copy":
            self._model.copy_begins(move)
        if self.fails:
            raise HookFailedError("the model says no")


class MoveModel(RuleBasedStateMachine):
    """Rules are what may happen; the checks are what must never come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "home.sqlite"
        self.store = FragileStore(self.path)
        self.runner.run(self.store.hurry())
        self.reader = open_file(self.path, create=False)
        self.now_s = START_S
        self.workers: list[Worker] = []
        self.born = 0
        self.operations: dict[str, MoveOrder] = {}
        self.drivers: dict[str, str] = {}
        self.hook = Hook(self)
        self.at_cells: list[tuple[str, str, float]] = []
        self.copying: set[tuple[str, str]] = set()
        self.epochs: dict[str, int] = {}

    def teardown(self) -> None:
        try:
            self.bring_everything_to_its_end()
        finally:
            self.reader.close()
            self.runner.run(self.store.close())
            self.runner.close()
            self.folder.cleanup()

    # What the rules are made of.

    def truth(self, key: str) -> Assignment | None:
        return sqlite_records.read_homes(self.reader, [key]).get(key)

    def open_operations(self) -> list[str]:
        return [move.order.operation for move in sqlite_moves.listed(self.reader, open_only=True, limit=100)]

    def mover(self, holder: str, patient_s: float = inf) -> Mover:
        async def pause(_: float) -> None:
            raise StillWaitingError

        patience = Patience(patient_s, SKEW_S)
        return Mover(
            self.store,
            self.store,
            self.store,
            self.hook,
            holder,
            lambda: self.now_s,
            patience,
            MoveListener(),
            pause,
        )

    def copy_begins(self, move: Move) -> None:
        """No write that was let through by a lease may be under way to the source, now or later."""
        key, source = move.order.key, move.source
        for worker in self.workers:
            for request in worker.requests:
                assert not (request.leased and request.key == key and request.cell == source), (
                    f"{worker.name} has a write of {key} under way to {source} as the copy begins"
                )
        for running_key, cell, until_s in self.at_cells:
            assert not (running_key == key and cell == source and until_s > self.now_s), (
                f"{source} still works on a write of {key} as the copy begins"
            )
        self.copying.add((key, source))

    def changes_after(self, sequence: int) -> list[Change]:
        head = sqlite_feed.head(self.reader)
        return sqlite_feed.changes_after(self.reader, sequence, head.generation)

    def send(self, request: Request) -> None:
        """The write leaves for the cell."""
        request.sent = True
        if request.leased:
            assert (request.key, request.cell) not in self.copying, (
                f"a write of {request.key} goes to {request.cell} after the copy began"
            )

    @initialize()
    def two_users_and_two_workers(self) -> None:
        for key in KEYS:
            self.place_user(key, "cell-a")
        for skew_s in (-2.5, 2.5):
            self.start_worker(skew_s)
            self.renew(self.workers[-1], Fate.DONE)
        self.order_move(KEYS[0], "cell-b", Fate.DONE)

    # Workers.

    @precondition(lambda self: len(self.workers) < 3)
    @rule(skew_s=st.sampled_from([-2.5, 0.0, 2.5]))
    def start_worker(self, skew_s: float) -> None:
        self.born += 1
        worker = Worker(f"w{self.born}", skew_s, Fence(LINGER_S))
        worker.keeper = LeaseKeeper(
            worker.name,
            self.store,
            worker,
            worker.fence,
            lambda: self.now_s + skew_s,
            lambda: self.now_s,
        )
        head = sqlite_feed.head(self.reader)
        worker.position = Position(head.generation, head.last_sequence)
        self.workers.append(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def kill_worker(self, data: st.DataObject) -> None:
        self.kill(data.draw(st.sampled_from(self.workers)))

    def kill(self, worker: Worker) -> None:
        self.workers.remove(worker)
        for request in worker.requests:
            if request.sent:
                self.goes_on(worker, request)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), count=st.integers(1, 5))
    def follow_feed(self, data: st.DataObject, count: int) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        assert worker.position is not None
        for change in self.changes_after(worker.position.sequence)[:count]:
            worker.take(change)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def lose_continuity(self, data: st.DataObject) -> None:
        self.jump_to_head(data.draw(st.sampled_from(self.workers)))

    def jump_to_head(self, worker: Worker) -> None:
        head = sqlite_feed.head(self.reader)
        worker.fence.lose_continuity()
        worker.known.clear()
        worker.position = Position(head.generation, head.last_sequence)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), fate=st.sampled_from(Fate))
    def renew_lease(self, data: st.DataObject, fate: Fate) -> None:
        self.renew(data.draw(st.sampled_from(self.workers)), fate)

    @rule()
    def all_catch_up_and_renew(self) -> None:
        for worker in self.workers:
            assert worker.position is not None
            for change in self.changes_after(worker.position.sequence):
                worker.take(change)
            self.renew(worker, Fate.DONE)

    def renew(self, worker: Worker, fate: Fate) -> None:
        self.store.fates = [fate]
        assert worker.keeper is not None
        with suppress(Crash):
            self.runner.run(worker.keeper.renew())
        self.store.fates = []

    # Requests.

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), key=st.sampled_from(KEYS), at_once=st.booleans())
    def unsafe_request(self, data: st.DataObject, key: str, at_once: bool) -> None:
        """It is decided where it goes; sent now, or a little later by `request_leaves`."""
        self.begin_request(data.draw(st.sampled_from(self.workers)), key, at_once)

    def begin_request(self, worker: Worker, key: str, at_once: bool) -> None:
        worker.fence.enter(key)
        leased = self.now_s < worker.fence.lease_until_s
        home = worker.known.get(key) if leased else None
        if home is None:
            home = self.truth(key)
            if home is not None and leased:
                worker.known[key] = home
        if home is None or home.state is State.MOVING:
            worker.fence.leave(key, False, self.now_s)
        else:
            worker.requests.append(Request(key, home.cell, leased, self.now_s))
            if at_once:
                self.send(worker.requests[-1])

    @precondition(lambda self: any(worker.requests for worker in self.workers))
    @rule(data=st.data())
    def request_leaves(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([worker for worker in self.workers if worker.requests]))
        self.send(data.draw(st.sampled_from(worker.requests)))

    @precondition(lambda self: any(worker.requests for worker in self.workers))
    @rule(data=st.data(), cut_off=st.booleans())
    def request_ends(self, data: st.DataObject, cut_off: bool) -> None:
        worker = data.draw(st.sampled_from([worker for worker in self.workers if worker.requests]))
        self.end_request(worker, data.draw(st.sampled_from(worker.requests)), cut_off)

    def end_request(self, worker: Worker, request: Request, cut_off: bool) -> None:
        worker.requests.remove(request)
        still_running = cut_off and request.sent
        worker.fence.leave(request.key, still_running, self.now_s)
        if still_running:
            self.goes_on(worker, request)

    def goes_on(self, worker: Worker, request: Request) -> None:
        """The cell does not know that nobody waits any more."""
        if request.leased:
            until_s = min(self.now_s, worker.fence.lease_until_s) + LINGER_S
            self.at_cells.append((request.key, request.cell, until_s))

    # Operators.

    @rule(key=st.sampled_from(KEYS), cell=st.sampled_from(CELLS))
    def place_user(self, key: str, cell: str) -> None:
        self.runner.run(place(self.store, key, cell, "eu", self.now_s))

    @rule(key=st.sampled_from(KEYS), cell=st.sampled_from(CELLS), fate=st.sampled_from([Fate.DONE, *Fate]))
    def order_move(self, key: str, cell: str, fate: Fate) -> None:
        operation = f"op-{len(self.operations) + 1}"
        self.operations[operation] = MoveOrder(operation, key, cell, "copy", "verify")
        self.store.fates = [fate]
        with suppress(Crash, MoveRefusedError, MoveInProgressError):
            self.runner.run(self.mover("orderer").begin(self.operations[operation]))
        self.store.fates = []

    @precondition(lambda self: self.operations)
    @rule(data=st.data())
    def order_the_same_again(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.operations.values())))
        known = sqlite_moves.find(self.reader, order.operation)
        with suppress(MoveRefusedError, MoveInProgressError):
            again = self.runner.run(self.mover("orderer").begin(order))
            assert known is None or again == known

    @precondition(lambda self: self.open_operations())
    @rule(
        data=st.data(),
        holder=st.sampled_from(["ann", "ann", "bob"]),
        fates=st.one_of(st.just([]), st.just([]), st.lists(st.sampled_from(Fate), max_size=8)),
        hook_fails=st.sampled_from([False, False, False, True]),
        patient=st.sampled_from([True, True, True, False]),
        steps=st.integers(1, 6),
    )
    def drive(
        self,
        data: st.DataObject,
        holder: str,
        fates: list[Fate],
        hook_fails: bool,
        patient: bool,
        steps: int,
    ) -> None:
        operation = data.draw(st.sampled_from(self.open_operations()))
        self.hook.fails = hook_fails
        self.store.fates = fates
        self.take_steps(operation, holder, steps, inf if patient else 0.0)
        self.store.fates = []
        self.hook.fails = False

    def take_steps(self, operation: str, holder: str, steps: int, patient_s: float = inf) -> None:
        with suppress(Crash, MoveTakenError, StillWaitingError):
            for _ in range(steps):
                self.runner.run(self.mover(holder, patient_s).step(operation))
                self.note_ends()
        self.note_ends()

    @precondition(lambda self: self.operations)
    @rule(
        data=st.data(),
        holder=st.sampled_from(["ann", "bob"]),
        fates=st.lists(st.sampled_from(Fate), max_size=5),
    )
    def give_up(self, data: st.DataObject, holder: str, fates: list[Fate]) -> None:
        self.store.fates = fates
        self.give_up_by(data.draw(st.sampled_from(list(self.operations))), holder)
        self.store.fates = []

    def give_up_by(self, operation: str, holder: str) -> None:
        with suppress(Crash, MoveTakenError, MoveRefusedError, StillWaitingError):
            self.runner.run(self.mover(holder).give_up(operation, "the model wants it"))
        self.note_ends()

    @precondition(lambda self: self.store.late)
    @rule(data=st.data())
    def a_late_write_lands(self, data: st.DataObject) -> None:
        self.land(data.draw(st.integers(0, len(self.store.late) - 1)))

    def land(self, number: int) -> None:
        with suppress(EpochConflictError, MoveInProgressError, MoveTakenError):
            self.runner.run(self.store.land(number))
        self.note_ends()

    @rule(passing_s=st.sampled_from([0.1, 0.5, 1.0, 2.0, LEASE_S, 8.0, HOLD_S, 60.0]))
    def time_passes(self, passing_s: float) -> None:
        self.now_s += passing_s
        for worker in self.workers:
            for request in list(worker.requests):
                too_late = not request.sent and self.now_s > request.begun_at_s + REQUEST_S
                if too_late or self.now_s > worker.fence.lease_until_s + LINGER_S:
                    self.end_request(worker, request, cut_off=False)

    @rule(
        moments=st.lists(st.sampled_from(MOMENTS), min_size=4, max_size=16),
        random=st.randoms(use_true_random=False),
    )
    def much_happens_around_a_move(self, moments: list[str], random: Random) -> None:
        """What the other rules would seldom bring together."""
        for moment in moments:
            self.happen(moment, random)

    def happen(self, moment: str, random: Random) -> None:
        """One of MOMENTS, to the first user."""
        key = KEYS[0]
        worker = random.choice(self.workers) if self.workers else None
        if moment == "time":
            self.time_passes(random.choice((0.5, 1.0, 2.0, LEASE_S, 4.0, LINGER_S, HOLD_S)))
        elif moment == "caught up":
            self.all_catch_up_and_renew()
        elif moment == "step":
            self.step_of(key, random)
        elif moment == "late" and self.store.late:
            self.land(random.randrange(len(self.store.late)))
        elif worker is None:
            self.start_worker(random.choice((-2.5, 0.0, 2.5)))
        elif moment == "request":
            self.begin_request(worker, key, at_once=random.random() < 0.5)
        elif moment == "renewal":
            self.renew(worker, random.choice((Fate.DONE, Fate.LATE)))
        elif moment == "gap":
            self.jump_to_head(worker)
        elif moment == "death":
            self.kill(worker)
        elif worker.requests and moment == "sent":
            self.send(random.choice(worker.requests))
        elif worker.requests and moment == "end":
            self.end_request(worker, random.choice(worker.requests), cut_off=random.random() < 0.5)

    def step_of(self, key: str, random: Random) -> None:
        """A driver takes one of the open move, or gives it up; without such a move one is ordered."""
        open_moves = [move for move in sqlite_moves.of_key(self.reader, key) if not move.is_over]
        holder = random.choice(("ann", "ann", "bob"))
        self.store.fates = [random.choice(tuple(Fate)) for _ in range(4)] if random.random() < 0.2 else []
        if not open_moves:
            self.order_move(key, random.choice(CELLS), Fate.DONE)
        elif random.random() < 0.05:
            self.give_up_by(open_moves[0].order.operation, holder)
        else:
            self.take_steps(open_moves[0].order.operation, holder, 1)
        self.store.fates = []

    # What must hold.

    def note_ends(self) -> None:
        """Whoever is at home again, or in another cell, may be written to."""
        open_moves = sqlite_moves.listed(self.reader, open_only=True, limit=100)
        held = {(m.order.key, m.source) for m in open_moves if m.step in (Step.COPYING, Step.VERIFYING)}
        held |= {(m.order.key, m.source) for m in open_moves if m.step is Step.COMMITTING}
        self.copying &= held

    @invariant()
    def epochs_never_go_back_and_every_one_is_in_the_feed_and_in_the_past(self) -> None:
        told: dict[str, list[int]] = {key: [] for key in KEYS}
        last: dict[str, Assignment] = {}
        for change in self.changes_after(0):
            if change.assignment is not None:
                told[change.assignment.key].append(change.assignment.epoch)
                last[change.assignment.key] = change.assignment
        for key in KEYS:
            record = self.truth(key)
            epoch = 0 if record is None else record.epoch
            assert epoch >= self.epochs.get(key, 0)
            self.epochs[key] = epoch
            assert told[key] == list(range(1, epoch + 1))
            assert record == last.get(key)
            assert [old.epoch for old in sqlite_moves.past(self.reader, key)] == told[key]

    @invariant()
    def a_record_is_moving_only_while_a_move_of_it_is_open(self) -> None:
        open_moves = {m.order.key: m for m in sqlite_moves.listed(self.reader, open_only=True, limit=100)}
        for key in KEYS:
            record = self.truth(key)
            if record is not None and record.state is State.MOVING:
                assert open_moves[key].owns(record)

    def bring_everything_to_its_end(self) -> None:
        """Whatever happened, each open move can be carried to an end, and says which."""
        self.workers.clear()
        self.at_cells.clear()
        self.copying.clear()
        self.now_s += 3600.0
        for move in sqlite_moves.listed(self.reader, open_only=True, limit=100):
            ended = self.runner.run(self.mover("last").drive(move.order.operation))
            assert ended.step in OVER
            record = self.truth(move.order.key)
            assert record is not None
            assert record.state is State.PLACED
            if ended.step is Step.DONE:
                assert record.cell == move.order.target


def explore(examples: int, steps: int) -> None:
    """Rules in any order, as Hypothesis likes."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(MoveModel, settings=chosen)


def crowd(examples: int, moments: int) -> None:
    """One user, and everything that can happen around its moves at once."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        happening=st.lists(st.sampled_from(MOMENTS), min_size=moments // 2, max_size=moments),
        random=st.randoms(use_true_random=False),
    )
    def live(happening: list[str], random: Random) -> None:
        model = MoveModel()
        try:
            model.two_users_and_two_workers()
            for moment in happening:
                model.happen(moment, random)
                model.epochs_never_go_back_and_every_one_is_in_the_feed_and_in_the_past()
                model.a_record_is_moving_only_while_a_move_of_it_is_open()
        finally:
            model.teardown()

    live()


def test_no_interleaving_loses_a_write_or_lets_one_reach_the_old_cell_after_the_copy_began() -> None:
    crowd(examples=20, moments=80)
    explore(examples=10, steps=30)


@pytest.mark.slow
def test_no_interleaving_of_many_does_either() -> None:
    crowd(examples=400, moments=150)
    explore(examples=100, steps=60)
