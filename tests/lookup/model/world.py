"""Users, workers, operators, cells and one clock around a real store: what can happen, and what must hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final, TypeVar

from lookup.assignment import NO_EPOCH, State
from lookup.leases import LEASE_S
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import HOLD_S
from lookup.moves import OVER, Move, Step
from lookup.ports import EpochConflictError, StoreUnavailableError
from lookup.resolution import Hint
from tests.lookup.model.cells import Cells
from tests.lookup.model.fates import Crash, Fate
from tests.lookup.model.operators import CLOCKS_S, Operators, cell_of
from tests.lookup.model.records import Records
from tests.lookup.model.stage import Stage
from tests.lookup.model.standing_loop import StandingLoop
from tests.lookup.model.traffic import Traffic
from tests.lookup.model.worker import CLAIM_LIFETIME_S, LINGER_S, REMEMBERED_S, SKEW_S, Worker

T = TypeVar("T")

REQUEST_S: Final = 3.0
"""A request is sent within this time, or not at all."""

_CLAIMS_KEPT: Final = 12
_TURNS_S: Final = 7
"""By then whoever lost the feed follows it again."""

_STEPS_S: Final = (
    *(0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 2.0, LEASE_S, LEASE_S, 4.0, 4.0, 6.0, 8.0),
    *(LINGER_S, LINGER_S + 4.0, HOLD_S, 70.0, 500.0),
)

BuildStage = Callable[[Traffic, Callable[[], float]], Awaitable[Stage]]
"""A stage in the running loop, with the model's clock in Unix seconds."""


class World:
    """Each public method is something that happens; `dice` decides to whom and how."""

    def __init__(self, build: BuildStage, start_s: float) -> None:
        self.now_s = start_s
        self.traffic = Traffic()
        self.cells = Cells()
        self.records = Records()
        self.workers: list[Worker] = []
        self.claims: list[tuple[str, Hint]] = []
        self._born = 0
        self._runner = asyncio.Runner(loop_factory=StandingLoop)
        self.stage = self._runner.run(_awaited(build(self.traffic, lambda: self.now_s)))
        self.keys = tuple(f"user:{self.stage.tag}{number}" for number in (1, 2, 3))
        self.keys = tuple(f"user:{self.stage.tag}{number}" for number in (1, 2, 3))
        self.operators = Operators(self)

    def begin(self) -> None:
        """Two users in one cell, two workers with a lease, and a move that is asked for."""
        for key in self.keys[:2]:
            self.run(self.operators.place(key, "cell-a", "ann"))
        for skew_s in (-2.5, 2.5):
            self.run(self._start(skew_s))
        self.everybody_catches_up()
        self.run(self.operators.order(self.keys[0], "cell-b", "ann"))
        self.check()

    def close(self) -> None:
        """Also after a failure."""
        try:
            for worker in self.workers:
                self._runner.run(worker.die())
            self._runner.run(self.stage.close())
        finally:
            self._runner.close()

    def run(self, happening: Coroutine[Any, Any, T]) -> T:
        """Let it happen, and everything that it sets in motion."""
        return self._runner.run(self._and_what_follows(happening))

    async def _and_what_follows(self, happening: Coroutine[Any, Any, T]) -> T:
        try:
            return await happening
        finally:
            await self.traffic.settle()
            self.stage.fates.coming = []
            for worker in self.workers:
                worker.conclude()
                self.claims += worker.cookies
                worker.cookies = []
            del self.claims[:-_CLAIMS_KEPT]

    # Workers.

    def worker_starts(self, dice: Random) -> None:
        if len(self.workers) < 3:
            self.run(self._start(dice.choice((-2.5, 0.0, 2.5))))

    async def _start(self, skew_s: float) -> None:
        self._born += 1
        self.workers.append(Worker(f"w{self.stage.tag}{self._born}", skew_s, self))

    def worker_dies(self, dice: Random) -> None:
        if self.workers:
            worker = dice.choice(self.workers)
            self.workers.remove(worker)
            self.run(worker.die())

    def worker_follows(self, dice: Random) -> None:
        """It hears of some changes."""
        if self.workers:
            self.run(self._follow(dice.choice(self.workers), dice.randint(1, 4)))

    def worker_misses_a_change(self, dice: Random) -> None:
        if self.workers:
            dice.choice(self.workers).tap.losing = dice.randint(1, 2)

    def worker_renews(self, dice: Random) -> None:
        if self.workers:
            self.stage.fates.draw(dice, 0.3, 1)
            if dice.random() < 0.3:
                self.stage.fates.coming = [Fate.SLOW]
            self.run(self._renew(dice.choice(self.workers)))

    def everybody_catches_up(self) -> None:
        for worker in self.workers:
            for _ in range(2):  # the first may find a gap
                self.run(self._follow(worker, 10_000))
            self.run(self._renew(worker))

    async def _follow(self, worker: Worker, changes: int) -> None:
        with suppress(StoreUnavailableError, Crash):
            await self.stage.tell()
            await worker.tap.let_through(changes)

    async def _renew(self, worker: Worker) -> None:
        worker.renew()

    # Requests and credentials.

    def request(self, dice: Random) -> None:
        """With a claim or without one; mostly a write, mostly sent at once."""
        if not self.workers:
            return
        worker = dice.choice(self.workers)
        key, hint = self._credential(dice, self._somebody(dice))
        self.run(self._begin(worker, key, hint, dice.random() < 0.2))
        if worker.requests and dice.random() < 0.6:
            self.cells.send(worker.requests[-1])

    async def _begin(self, worker: Worker, key: str, hint: Hint | None, safe: bool) -> None:
        worker.begin(key, hint, safe=safe)

    def _credential(self, dice: Random, key: str) -> tuple[str, Hint | None]:
        oldest_s = self.now_s - CLAIM_LIFETIME_S
        self.claims = [(owner, hint) for owner, hint in self.claims if hint.issued_at_s > oldest_s]
        if self.claims and dice.random() < 0.4:
            return dice.choice(self.claims)
        return key, None

    def request_leaves(self, dice: Random) -> None:
        waiting = [request for worker in self.workers for request in worker.requests]
        if waiting:
            self.cells.send(dice.choice(waiting))

    def request_ends(self, dice: Random) -> None:
        under_way = [(worker, request) for worker in self.workers for request in worker.requests]
        if under_way:
            worker, request = dice.choice(under_way)
            worker.end(request, cut_off=dice.random() < 0.5)

    def token_is_issued(self, dice: Random) -> None:
        """By an identity provider that asks the truth, and whose clock may be wrong. Of a user on the way
        between two cells it tells no epoch: a cell that is fenced at this epoch would let it pass."""
        key = self._somebody(dice)
        record = self.run(self.stage.truth([key])).get(key)
        if record is not None:
            is_placed = record.state is State.PLACED
            epoch = record.epoch if is_placed and dice.random() < 0.5 else NO_EPOCH
            at_s = self.now_s + dice.choice((-SKEW_S / 2, 0.0, SKEW_S / 2))
            self.claims.append((key, Hint(record.cell, epoch, at_s)))

    def readings_are_slow(self, _: Random) -> None:
        """What is read now arrives later, when something else may have happened."""
        self.traffic.hold_back()

    def readings_arrive(self, _: Random) -> None:
        self.traffic.let_go()
        self.run(asyncio.sleep(0))

    # Operators.

    def user_appears(self, dice: Random) -> None:
        self.stage.fates.draw(dice, 0.2, 4)
        self.run(self.operators.place(self._somebody(dice), cell_of(dice), _operator(dice)))

    def move_is_ordered(self, dice: Random) -> None:
        self.stage.fates.draw(dice, 0.1, 1)
        if self.operators.orders and dice.random() < 0.3:
            operation = dice.choice(sorted(self.operators.orders))
            self.run(self.operators.order_again(operation, _operator(dice)))
        else:
            self.run(self.operators.order(self._somebody(dice), cell_of(dice), _operator(dice)))

    def move_goes_on(self, dice: Random) -> None:
        """A driver takes a step or some; without a move one is ordered."""
        moves = sorted(self._open_moves(), key=lambda move: move.order.key)
        if not moves:
            self.run(self.operators.order(self._somebody(dice), cell_of(dice), _operator(dice)))
            return
        self.stage.fates.draw(dice, 0.4 if dice.random() < 0.2 else 0.0, 8)
        self.operators.hook_fails = dice.random() < 0.1
        self.run(
            self.operators.drive(
                _mostly_first(dice, moves).order.operation,
                _operator(dice),
                dice.randint(1, 3),
                patient=dice.random() < 0.8,
            )
        )
        self._note_ends()

    def move_is_given_up(self, dice: Random) -> None:
        if self.operators.orders:
            self.stage.fates.draw(dice, 0.2, 5)
            operation = dice.choice(sorted(self.operators.orders))
            self.run(self.operators.give_up(operation, _operator(dice)))
            self._note_ends()

    def late_step_lands(self, dice: Random) -> None:
        """What was on its way when its writer gave up or died."""
        late = self.stage.fates.late
        if late:
            self.run(self._land(late.pop(dice.randrange(len(late)))))
            self._note_ends()

    async def _land(self, step: Callable[[], Awaitable[object]]) -> None:
        with suppress(EpochConflictError, MoveInProgressError, MoveTakenError, StoreUnavailableError):
            await step()

    # Time and trouble.

    def time_passes(self, dice: Random) -> None:
        begun_s = [move.begun_at_s for move in self._open_moves()]
        passing_s = dice.choice(_STEPS_S)
        if self.now_s + passing_s - min(begun_s, default=self.now_s) < REMEMBERED_S - SKEW_S:
            self.pass_time(passing_s)

    def pass_time(self, passing_s: float) -> None:
        self.now_s += passing_s
        loop = self._runner.get_loop()
        assert isinstance(loop, StandingLoop)
        loop.now_s += passing_s
        self.run(asyncio.sleep(0))
        for worker in self.workers:
            for request in list(worker.requests):
                too_late = not request.sent and self.now_s > request.begun_at_s + REQUEST_S
                if too_late or self.now_s > worker.fence.lease_until_s + LINGER_S:
                    worker.end(request, cut_off=False)

    def changes_are_told(self, dice: Random) -> None:
        """A relay takes its turn, and may die at it."""
        self.stage.fates.draw(dice, 0.2, 4)
        self.run(self._tell())

    async def _tell(self) -> None:
        with suppress(StoreUnavailableError, Crash):
            await self.stage.tell()

    def feed_is_harmed(self, dice: Random) -> None:
        self.run(self.stage.harm_feed(dice))

    def copy_begins(self, move: Move) -> None:
        """Called by the hook."""
        under_way = [request for worker in self.workers for request in worker.requests]
        self.cells.copy_begins(move, under_way, self.now_s)

    # What must hold.

    def check(self) -> None:
        """After every step."""
        truth = self.run(self.stage.truth(self.keys))
        self.records.saw(truth, self.keys)
        self.records.check_promises(truth)
        self.records.hear(self.run(self.stage.told()))
        open_moves = {move.order.key: move for move in self._open_moves()}
        for key, record in truth.items():
            if record.state is State.MOVING:
                assert open_moves[key].owns(record), f"{record} belongs to no move"

    def end_well(self) -> None:
        """However it stands: each open move comes to an end and says which, each change reaches the feed,
        and whoever has heard all of it knows every home, whatever credentials say."""
        self._quiet_down()
        self.run(self.stage.tell())
        for move in self._open_moves():
            ended = self.run(self.operators.finish(move.order.operation))
            assert ended.step in OVER
            record = self.run(self.stage.truth([move.order.key]))[move.order.key]
            assert record.state is State.PLACED
            assert ended.step is not Step.DONE or record.cell == move.order.target
        self._note_ends()
        self.check()
        self.run(self.stage.tell())
        truth = self.run(self.stage.truth(self.keys))
        self.records.hear(self.run(self.stage.told()))
        self.records.check_told(truth)
        self._everybody_knows()

    def _quiet_down(self) -> None:
        while self.stage.fates.late:
            self.run(self._land(self.stage.fates.late.pop()))
        self.traffic.let_go()
        self.run(asyncio.sleep(0))
        for worker in self.workers:
            for request in list(worker.requests):
                worker.end(request, cut_off=False)
        self.pass_time(60.0 + 2 * LINGER_S + SKEW_S)
        self.cells.copying.clear()

    def _everybody_knows(self) -> None:
        self.run(self._start(0.0))
        for _ in range(_TURNS_S):
            self.pass_time(1.0)
            self.everybody_catches_up()
        for worker in self.workers:
            assert worker.fence.lease_until_s > self.now_s, f"{worker.name} gets no lease any more"
            for key, hint in [*((key, None) for key in self.keys), *self.claims]:
                self.run(self._begin(worker, key, hint, False))

    def _note_ends(self) -> None:
        self.cells.note_ends(self._open_moves())

    def _open_moves(self) -> list[Move]:
        listed = self.run(self.stage.log.moves(open_only=True, limit=1000))
        return [move for move in listed if move.order.key in self.keys]

    def _somebody(self, dice: Random) -> str:
        """A user: mostly the first one, so that much happens to one."""
        return _mostly_first(dice, self.keys)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _operator(dice: Random) -> str:
    return _mostly_first(dice, sorted(CLOCKS_S))


def _mostly_first(dice: Random, choices: Sequence[T]) -> T:
    return choices[0] if dice.random() < 0.7 else dice.choice(choices)
