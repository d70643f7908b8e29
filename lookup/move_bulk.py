"""Moves many users, several at once, as one operation that can be begun again after any crash.

Each user's move has an operation id of its own, made of the bulk's and the key. So what was begun is found
again in the log of moves, nobody is moved twice by one operation, and nothing else has to be remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from math import inf
from typing import Final
from weakref import WeakValueDictionary

from lookup.assignment import Assignment
from lookup.move_fates import (
    BulkOrder,
    Ending,
    Fate,
    Outcome,
    Stop,
    known_before,
    member_operation,
    staying,
    unknown,
)
from lookup.move_hold import HOLD_S
from lookup.move_list import Wish
from lookup.move_log import MoveInProgressError, MoveLog, MoveTakenError
from lookup.move_open import open_moves
from lookup.move_pace import Pace, too_many_failed
from lookup.move_targets import Stays, Targets
from lookup.mover import Mover, MoveRefusedError
from lookup.moves import Move, MoveOrder, Step
from lookup.placer import closed_cells
from lookup.ports import Store, StoreUnavailableError
from lookup.tasks import end_tasks, take_note

_ATTEMPTS: Final = 3
_TRY_AGAIN_S: Final = 1.0
_FLAGS_EVERY_S: Final = 1.0


Tell = Callable[[Ending], None]


class BulkMover:
    """One run. `tell` hears once of each user; `pause` waits for some seconds, `clock` gives Unix seconds."""

    def __init__(
        self,
        store: Store,
        log: MoveLog,
        mover: Mover,
        targets: Targets,
        pace: Pace,
        order: BulkOrder,
        tell: Tell,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._log = log
        self._mover = mover
        self._targets = targets
        self._pace = pace
        self._order = order
        self._tell = tell
        self._clock = clock
        self._pause = pause
        self._left: int | None = None
        self._stop = Stop.NOT
        self._stopped = asyncio.Event()
        self._failure: StoreUnavailableError | None = None
        self._places = asyncio.Semaphore(order.parallel)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._alone: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._resumed: dict[str, str] = {}
        self._later: list[tuple[Wish, Move]] = []
        self._flags_due_s = -inf
        self._looking = asyncio.Lock()
        self._ended = 0
        self._failed = 0

    @property
    def under_way(self) -> int:
        """How many users are being looked after now."""
        return len(self._under_way)

    @property
    def is_stopping(self) -> bool:
        """Whether no more begin."""
        return self._stop is not Stop.NOT

    def stop(self) -> None:
        """Begin no more; those under way come to their end. Cancel `run` to leave those open, too."""
        self._halt(Stop.ASKED)

    async def run(self, wishes: AsyncIterator[Wish]) -> Outcome:
        """First what earlier runs have left open; only then the list is asked for its first."""
        async with asyncio.TaskGroup() as group:
            try:
                if self._order.most is not None:
                    noted = await self._log.noted_under(self._order.operation)
                    self._left = max(0, self._order.most - noted)
                await self._resume(group)
                await self._go_through(wishes, group)
            except StoreUnavailableError as failure:
                self._store_failed(failure)
        async with asyncio.TaskGroup() as group:
            await self._wait_for_others(group)
        return Outcome(self._stop, self._failure)

    async def left_open(self) -> Sequence[Move]:
        """The moves of this run and those before it that are not over. Raises StoreUnavailableError."""
        return await open_moves(self._log, self._order)

    async def _resume(self, group: asyncio.TaskGroup) -> None:
        """These users can't write until their moves are over: so they come first, even beyond `most`."""
        for move in await self.left_open():
            if self._stop is Stop.NOT:
                self._resumed[move.order.key] = move.order.target
                await self._places.acquire()
                wish = Wish(move.order.key, move.order.target)
                self._look_after(wish, move.order.operation, group)

    async def _go_through(self, wishes: AsyncIterator[Wish], group: asyncio.TaskGroup) -> None:
        while (wish := await self._next(wishes)) is not None:
            await self._places.acquire()
            if self._stop is not Stop.NOT or self._left == 0:
                self._places.release()
                return
            if wish.key in self._resumed and wish.target in ("", self._resumed[wish.key]):
                self._places.release()
            else:
                self._look_after(wish, "", group)

    async def _next(self, wishes: AsyncIterator[Wish]) -> Wish | None:
        """The list's next, unless the run is stopped while the list looks for it."""
        asking = asyncio.ensure_future(anext(wishes, None))
        asking.add_done_callback(take_note)
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((asking, stopped), return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            await end_tasks((asking, stopped))

    async def _wait_for_others(self, group: asyncio.TaskGroup) -> None:
        """Moves that another driver held: when it has crashed, its hold runs out."""
        if not self._later:
            return
        held_until_s = max(move.held_until_s for _, move in self._later)
        await self._rest(min(max(0.0, held_until_s - self._clock()), HOLD_S))
        for wish, move in self._later:
            await self._places.acquire()
            group.create_task(self._try_again(wish, move))

    async def _rest(self, pause_s: float) -> None:
        """Until so much time has passed, or the run is stopped."""
        pausing = asyncio.ensure_future(self._pause(pause_s))
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((pausing, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            stopped.cancel()

    def _halt(self, stop: Stop) -> None:
        if self._stop is Stop.NOT:
            self._stop = stop
            self._stopped.set()

    def _store_failed(self, failure: StoreUnavailableError) -> None:
        self._halt(Stop.STORE)
        self._failure = failure

    # One user.

    def _look_after(self, wish: Wish, operation: str, group: asyncio.TaskGroup) -> None:
        former = self._under_way.get(wish.key)
        self._under_way[wish.key] = group.create_task(self._steadily(wish, operation, former))

    async def _steadily(self, wish: Wish, operation: str, former: asyncio.Task[None] | None) -> None:
        """A store that does not answer once is asked again; one that stays away ends the run.

        operation  of the user's move, "" for one in this bulk
        former     the task of the same user, if the list has it twice
        """
        try:
            if former is not None:
                await asyncio.wait((former,))
            for attempt in range(_ATTEMPTS):
                try:
                    await self._treat(wish, operation)
                    return
                except StoreUnavailableError as failure:
                    if attempt + 1 == _ATTEMPTS:
                        self._store_failed(failure)
                        return
                await self._rest(_TRY_AGAIN_S)
        finally:
            self._places.release()
            if self._under_way.get(wish.key) is asyncio.current_task():
                del self._under_way[wish.key]

    async def _try_again(self, wish: Wish, move: Move) -> None:
        try:
            async with self._alone_with(move.order.key):
                await self._drive(wish, move)
        except MoveTakenError as taken:
            self._tell(Ending(wish, Fate.OPEN, move.order.target, str(taken)))
        except StoreUnavailableError as failure:
            self._store_failed(failure)
        finally:
            self._places.release()

    async def _treat(self, wish: Wish, operation: str) -> None:
        record = (await self._store.read([wish.key])).get(wish.key)
        if record is None:
            self._tell(unknown(wish))
            return
        alone = self._alone_with(record.key)
        had_to_wait = alone.locked()
        async with alone:
            if had_to_wait:
                record = (await self._store.read([wish.key])).get(wish.key, record)
            await self._treat_alone(wish, operation, record)

    def _alone_with(self, key: str) -> asyncio.Lock:
        """The list may have a user twice, also by other keys that name it: two drivers of one move would copy
        beside each other, and the home would change when one copy is complete."""
        return self._alone.setdefault(key, asyncio.Lock())

    async def _treat_alone(self, wish: Wish, operation: str, record: Assignment) -> None:
        operation = operation or member_operation(self._order.operation, record.key)
        move = await self._log.move(operation)
        ending = None if move is None else known_before(wish, move, record)
        if ending is not None:
            self._tell(ending)
        elif move is None:
            move = await self._begin(wish, record, operation)
        if ending is None and move is not None:
            await self._carry_on(wish, move)

    async def _begin(self, wish: Wish, record: Assignment, operation: str) -> Move | None:
        target = self._targets.choose(record, wish.target)
        if isinstance(target, Stays):
            self._tell(staying(wish, record, target))
            return None
        if self._left is not None:
            if self._left == 0:
                return None
            self._left -= 1
        if await self._pace.turn(self._rest):
            record = (await self._store.read([record.key])).get(record.key, record)
        await self._look_at_flags()
        if self._stop is Stop.NOT and target not in self._targets.closed:
            try:
                return await self._mover.begin_at_once(self._member(operation, record.key, target), record)
            except (MoveRefusedError, MoveInProgressError) as refusal:
                reason = str(refusal).removeprefix(f"{record.key} ")
                self._tell(Ending(wish, Fate.REFUSED, target, reason))
        elif self._stop is Stop.NOT:
            self._tell(
                Ending(wish, Fate.REFUSED, target, f"was on its way to {target}, which is not serving")
            )
        if self._left is not None:
            self._left += 1
        return None

    def _member(self, operation: str, key: str, target: str) -> MoveOrder:
        order = self._order
        return MoveOrder(
            operation, key, target, order.copy_hook, order.verify_hook, order.author, order.reason
        )

    async def _look_at_flags(self) -> None:
        """The operator's word may change while the list is gone through."""
        async with self._looking:
            now_s = self._clock()
            if now_s >= self._flags_due_s:
                self._targets.closed = closed_cells(await self._store.flags(), now_s)
                self._flags_due_s = now_s + _FLAGS_EVERY_S

    async def _carry_on(self, wish: Wish, move: Move) -> None:
        try:
            await self._drive(wish, move)
        except MoveTakenError:
            held = await self._log.move(move.order.operation)
            self._later.append((wish, held or move))

    async def _drive(self, wish: Wish, move: Move) -> None:
        ended = await self._mover.drive(move.order.operation, move)
        moved = ended.step is Step.DONE
        self._ended += 1
        self._failed += not moved
        fate = Fate.MOVED if moved else Fate.GIVEN_UP
        self._tell(Ending(wish, fate, ended.order.target, "" if moved else ended.detail, ended.source))
        if too_many_failed(self._failed, self._ended, self._order.share):
            self._halt(Stop.FAILURES)
