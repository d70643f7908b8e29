"""Users, workers, operators, cells and one clock around a real store, and what must hold at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from lookup.assignment import State
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.moves import OVER, Move, Step
from lookup.ports import EpochConflictError, StoreUnavailableError
from lookup.resolution import Hint
from tests.lookup.model.cells import Cells
from tests.lookup.model.fates import Crash
from tests.lookup.model.operators import Operators
from tests.lookup.model.records import Records
from tests.lookup.model.stage import Stage
from tests.lookup.model.standing_loop import StandingLoop
from tests.lookup.model.traffic import Traffic
from tests.lookup.model.worker import LINGER_S, REQUEST_S, SKEW_S, Worker

T = TypeVar("T")

_CLAIMS_KEPT: Final = 12
_SETTLED_S: Final = 60.0 + 2 * LINGER_S + SKEW_S
_TURNS_S: Final = 7
"""By then whoever lost the feed follows it again."""

BuildStage = Callable[[Traffic, Callable[[], float]], Awaitable[Stage]]
"""A stage in the running loop, with the model's clock in Unix seconds."""


class World:
    """`claims` are credentials of users, `keys` the users, `snapshot` what some worker kept on disk."""

    def __init__(self, build: BuildStage, start_s: float) -> None:
        self.now_s = start_s
        self.traffic = Traffic()
        self.cells = Cells()
        self.records = Records()
        self.workers: list[Worker] = []
        self.claims: list[tuple[str, Hint]] = []
        self.snapshot = b""
        self._born = 0
        self._runner = asyncio.Runner(loop_factory=StandingLoop)
        self.stage = self._runner.run(_awaited(build(self.traffic, lambda: self.now_s)))
        self.keys = tuple(f"user:{self.stage.tag}{number}" for number in (1, 2, 3))
        self.operators = Operators(self)

    def begin(self) -> None:
        """Two users in one cell, two workers with a lease, and a move that is asked for."""
        for key in self.keys[:2]:
            self.run(self.operators.place(key, "cell-a", "ann"))
        for skew_s in (-2.5, 2.5):
            self.start(skew_s)
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

    # What happenings are made of.

    def start(self, skew_s: float, *, leased: bool = True) -> Worker:
        """A worker that knows nothing."""
        return self.run(self._start(skew_s, leased))

    def follow(self, worker: Worker, changes: int = 10_000) -> None:
        """The worker hears of so many changes."""
        self.run(self._follow(worker, changes))

    def renew(self, worker: Worker) -> None:
        self.run(_call(worker.renew))

    def everybody_catches_up(self) -> None:
        for worker in self.workers:
            self.follow(worker)
            self.follow(worker)  # the first may have found a gap
            self.renew(worker)

    def ask(self, worker: Worker, key: str, hint: Hint | None, *, safe: bool) -> None:
        """A request arrives."""
        self.run(_call(lambda: worker.begin(key, hint, safe=safe)))

    def land(self, number: int) -> None:
        """One of the steps that are late is taken."""
        self.run(self._land(self.stage.fates.late.pop(number)))
        self.note_ends()

    def pass_time(self, passing_s: float) -> None:
        self.now_s += passing_s
        loop = self._runner.get_loop()
        assert isinstance(loop, StandingLoop)
        loop.now_s += passing_s
        self.run(asyncio.sleep(0))
        for worker in self.workers:
            for request in list(worker.requests):
                too_late = not request.sent and self.now_s > request.begun_at_s + REQUEST_S
                if too_late or self.now_s > worker.over_at_s(request):
                    worker.end(request, cut_off=False)

    def copy_begins(self, move: Move) -> None:
        """Called by the hook."""
        under_way = [request for worker in self.workers for request in worker.requests]
        self.cells.copy_begins(move, under_way, self.now_s)

    def open_moves(self) -> list[Move]:
        """Of this world's users, the first user's first."""
        listed = self.run(self.stage.log.moves(open_only=True, limit=1000))
        ours = [move for move in listed if move.order.key in self.keys]
        return sorted(ours, key=lambda move: move.order.key)

    def note_ends(self) -> None:
        self.cells.note_ends(self.open_moves())

    async def _start(self, skew_s: float, leased: bool) -> Worker:
        self._born += 1
        worker = Worker(f"w{self.stage.tag}{self._born}", skew_s, leased, self)
        self.workers.append(worker)
        return worker

    async def _follow(self, worker: Worker, changes: int) -> None:
        with suppress(StoreUnavailableError, Crash):
            await self.stage.tell()
            await worker.tap.let_through(changes)

    async def _land(self, step: Callable[[], Awaitable[object]]) -> None:
        with suppress(EpochConflictError, MoveInProgressError, MoveTakenError, StoreUnavailableError):
            await step()

    # What must hold.

    def check(self) -> None:
        """After every step."""
        truth = self.run(self.stage.truth(self.keys))
        self.records.saw(truth, self.keys)
        self.records.check_promises(truth)
        self.records.hear(self.run(self.stage.told()))
        open_moves = {move.order.key: move for move in self.open_moves()}
        for key, record in truth.items():
            if record.state is State.MOVING:
                assert key in open_moves, f"{record} belongs to no move"
                assert open_moves[key].owns(record), f"{record} is not of {open_moves[key]}"

    def end_well(self) -> None:
        """However it stands: each open move comes to an end and says which, each change reaches the feed,
        and whoever has heard all of it knows every home, whatever credentials say."""
        self._quiet_down()
        self.run(self.stage.tell())
        for move in self.open_moves():
            ended = self.run(self.operators.finish(move.order.operation))
            assert ended.step in OVER
            record = self.run(self.stage.truth([move.order.key]))[move.order.key]
            assert record.state is State.PLACED
            assert ended.step is not Step.DONE or record.cell == move.order.target
        self.note_ends()
        self.check()
        self.run(self.stage.tell())
        self.records.hear(self.run(self.stage.told()))
        self.records.check_told(self.run(self.stage.truth(self.keys)))
        self._everybody_knows()

    def _quiet_down(self) -> None:
        while self.stage.fates.late:
            self.land(0)
        self.traffic.let_go()
        self.run(asyncio.sleep(0))
        for worker in self.workers:
            for request in list(worker.requests):
                worker.end(request, cut_off=False)
        self.pass_time(_SETTLED_S)
        self.cells.copying.clear()

    def _everybody_knows(self) -> None:
        self.start(0.0)
        for _ in range(_TURNS_S):
            self.pass_time(1.0)
            self.everybody_catches_up()
        for worker in self.workers:
            has_lease = worker.fence.lease_until_s > self.now_s
            assert has_lease == worker.leased, f"{worker.name} gets no lease any more"
            for key, hint in [*((key, None) for key in self.keys), *self.claims]:
                self.ask(worker, key, hint, safe=False)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _call(action: Callable[[], None]) -> None:
    """Within the loop."""
    action()
