"""Carries a move out, step by step: each step is noted before the next one acts, so that any can be resumed.

What a step does may be done twice, when a crash came between doing and noting; it then has the same effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lookup.assignment import Assignment
from lookup.hooks import HookFailedError, Hooks
from lookup.lease_rounds import LeaseRounds
from lookup.leases import LEASE_S, Lease, LeaseBook, stands_in_way
from lookup.move_commit import commit
from lookup.move_hold import STOPPED, MoveHold
from lookup.move_log import MoveLog
from lookup.moves import Event, Move, MoveOrder, Position, Step, may_give_up, past_missing_hooks
from lookup.ports import EpochConflictError, Store
from lookup.settings import CLAIM_LIFETIME_S

_TELL_EVERY_S: Final = 1.0
_NOTICED_S: Final = 7.5
"""By then a driver whose move was taken has noticed, and ended its hook."""


class MoveRefusedError(Exception):
    """The move can't begin, or not be given up; the text says why."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a move waits, in seconds.

    acknowledge_s  for workers' acknowledgement
    skew_s         more, because clocks differ by so much at most
    again_s        for a step that was told to end, before it is told again: it ends its hook first
    open_s         from its beginning to its end: workers remember moves for the longest lifetime of a
                   credential, and might let writes of a user through whose move they have forgotten
    """

    acknowledge_s: float = 60.0
    skew_s: float = 5.0
    again_s: float = 5.0
    open_s: float = CLAIM_LIFETIME_S


def least_patience_s(cell_request_limit_s: float, skew_s: float) -> float:
    """So long a move may have to wait for a worker that died: who waits less can never move past one."""
    return LEASE_S + cell_request_limit_s + skew_s


class MoveListener:
    """Told of a move's progress; does nothing by itself."""

    def stepped(self, move: Move) -> None:
        """The move reached a step."""

    def waiting(self, move: Move, leases: Sequence[Lease]) -> None:
        """These workers have not acknowledged it yet."""

    def outlasting(self, move: Move, until_s: float) -> None:
        """Writes confirmed by who has no lease may run until then (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    event: Event
    detail: str = ""
    fence: Position | None = None


class Mover:
    """Drives moves under one holder's name. `pause` waits for some seconds, `clock` gives Unix seconds."""

    def __init__(
        self,
        store: Store,
        log: MoveLog,
        leases: LeaseBook,
        hooks: Hooks,
        holder: str,
        clock: Callable[[], float],
        patience: Patience,
        listener: MoveListener,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._log = log
        self._leases = leases
        self._hooks = hooks
        self._holder = holder
        self._clock = clock
        self._patience = patience
        self._listener = listener
        self._pause = pause
        self._rounds = LeaseRounds(leases, pause)
        self._hold = MoveHold(log, holder, clock, patience.again_s)

    async def begin(self, order: MoveOrder) -> Move:
        """Note the move, or find it when its operation id is known.

        Raises MoveRefusedError, MoveInProgressError, StoreUnavailableError (ask again with the same id).
        """
        record = (await self._store.read([order.key])).get(order.key)
        if record is not None and record.key != order.key:
            order = replace(order, key=record.key)  # what was given names this one
        known = await self._log.move(order.operation)
        if known is None:
            _insist_on_movable(order, record)
            assert record is not None
            known = await self._log.note_move(order, record, self._clock())
        return _insist_on_same(order, known)

    async def begin_at_once(self, order: MoveOrder, record: Assignment) -> Move:
        """`begin` by who has just read the record of the order's key, knows no move of that operation id, and
        drives it now: a new move is held already."""
        _insist_on_movable(order, record)
        return _insist_on_same(order, await self._hold.note(order, record))

    async def drive(self, operation: str, known: Move | None = None) -> Move:
        """Carry the move on until it is over.

        known  the move as it was read or noted just now
        Raises MoveTakenError, or StoreUnavailableError: then it stays open at the step that the log says.
        """
        try:
            take = self._hold.take(operation, steal=False) if known is None else self._hold.renewed(known)
            move = await take
            while not move.is_over:
                self._listener.stepped(move)
                move = await self._carry_on(await self._hold.renewed(move))
            self._listener.stepped(move)
        except BaseException as failure:
            await self._hold.let_go(operation, str(failure) if isinstance(failure, Exception) else STOPPED)
            raise
        return move

    async def give_up(self, operation: str, reason: str) -> Move:
        """Bring the user back home, whoever drives the move now. MoveRefusedError when it is too late."""
        former = await self._log.move(operation)
        move = await self._hold.take(operation, steal=True)
        if move.is_over or not (may_give_up(move.step) or move.step is Step.RETURNING):
            await self._hold.let_go(operation, move.detail)
            state = "over" if move.is_over else "committing: it can only be resumed"
            raise MoveRefusedError(f"operation {operation} can't be given up, it is {state}")
        try:
            if move.step is not Step.RETURNING:
                await self._advance(move, _Outcome(Event.GIVEN_UP, reason))
            if former is not None and former.holder not in ("", self._holder):
                await self._pause(max(0.0, min(_NOTICED_S, former.held_until_s - self._clock())))
        except asyncio.CancelledError:
            await self._hold.let_go(operation, STOPPED)
            raise
        return await self.drive(operation)

    async def step(self, operation: str) -> Move:
        """Do what the move's step asks for, and note what came of it. Raises MoveTakenError."""
        move = await self._hold.take(operation, steal=False)
        return move if move.is_over else await self._carry_on(move)

    async def _carry_on(self, move: Move) -> Move:
        if _hook(move):
            move = await self._log.begin_attempt(move, self._holder)
        return await self._advance(move, await self._hold.keep(move, self._act(move)))

    async def _act(self, move: Move) -> _Outcome:
        if move.step is Step.INTENDED:
            return await self._fence(move)
        if move.step is Step.FENCING:
            return await self._await_workers(move)
        if move.step is Step.COPYING:
            return await self._run_hook(move, Event.COPIED)
        if move.step is Step.VERIFYING:
            return await self._run_hook(move, Event.VERIFIED)
        if move.step is Step.COMMITTING:
            return await self._commit(move)
        return await self._return(move)

    async def _advance(self, move: Move, outcome: _Outcome) -> Move:
        event = past_missing_hooks(move.order, outcome.event)
        return await self._log.advance_move(
            move, event, self._holder, self._clock(), outcome.detail, outcome.fence
        )

    # The steps.

    async def _fence(self, move: Move) -> _Outcome:
        """The record becomes MOVING: no worker that knows it lets a write through."""
        moving = move.moving(self._clock())
        try:
            await self._store.compare_and_set(moving, move.epoch)
        except EpochConflictError as conflict:
            if not move.owns(conflict.current):
                return _Outcome(Event.OVERTAKEN, str(conflict))
        return _Outcome(Event.FENCED, fence=await self._leases.position(moving.key, moving.epoch))

    async def _await_workers(self, move: Move) -> _Outcome:
        """Until every worker knows, and has no write of this user under way."""
        until_s = self._clock() + self._patience.acknowledge_s
        skew_s = self._patience.skew_s
        key, fence = move.order.key, move.fence
        assert fence is not None, "noted with the step"
        waiting = await self._leases.in_the_way(key, fence, self._clock(), skew_s)
        leases = () if waiting else await self._leases.leases()
        while waiting:
            if self._clock() >= until_s:
                names = ", ".join(lease.worker for lease in waiting)
                return _Outcome(
                    Event.GIVEN_UP,
                    f"not acknowledged within {self._patience.acknowledge_s:g} s by {names}",
                )
            self._listener.waiting(move, waiting)
            seen = await self._rounds.next()
            if fence.generation != seen.position.generation:
                fence = await self._leases.position(key)  # of another feed it can't be compared any more
            leases = seen.leases
            now_s = self._clock()
            waiting = [lease for lease in seen.leases if stands_in_way(lease, key, fence, now_s, skew_s)]
            waiting = waiting or await self._leases.in_the_way(key, fence, now_s, skew_s)
        await self._outlast_confirmed(move, [lease for lease in leases if lease.confirms])
        return _Outcome(Event.ACKNOWLEDGED)

    async def _outlast_confirmed(self, move: Move, confirming: Sequence[Lease]) -> None:
        """Until no write runs that somebody without a lease had confirmed before the record was MOVING.

        Who announced that after `confirming` was read has asked the truth later, and got no such answer.
        """
        over_s = max((lease.runs_until_s(move.changed_at_s) for lease in confirming), default=0.0)
        until_s = over_s + self._patience.skew_s
        while (left_s := until_s - self._clock()) > 0:
            self._listener.outlasting(move, until_s)
            await self._pause(min(left_s, _TELL_EVERY_S))

    async def _run_hook(self, move: Move, done: Event) -> _Outcome:
        try:
            await self._hooks.run(_hook(move), move)
        except HookFailedError as failure:
            return _Outcome(Event.GIVEN_UP, str(failure))
        if self._is_too_old(move):
            return _Outcome(Event.GIVEN_UP, self._too_old)
        return _Outcome(done)

    def _is_too_old(self, move: Move) -> bool:
        """Whether some workers may have forgotten that the user moves, and let writes through."""
        return self._clock() - move.begun_at_s > self._patience.open_s - self._patience.skew_s

    @property
    def _too_old(self) -> str:
        return (
            f"open for {self._patience.open_s:g} s: workers don't remember for longer that writes must wait"
        )

    async def _commit(self, move: Move) -> _Outcome:
        if self._is_too_old(move) and move.owns(
            (await self._store.read([move.order.key])).get(move.order.key)
        ):
            return _Outcome(Event.EXPIRED, self._too_old)
        overtaken = await commit(self._store, move, self._clock, self._patience.skew_s)
        return _Outcome(Event.OVERTAKEN, overtaken) if overtaken else _Outcome(Event.COMMITTED)

    async def _return(self, move: Move) -> _Outcome:
        record = (await self._store.read([move.order.key])).get(move.order.key)
        while record is not None:
            returned = move.returned(record, self._clock())
            if returned is None:
                break
            try:
                await self._store.compare_and_set(returned, record.epoch)
                break
            except EpochConflictError as conflict:
                record = conflict.current
        return _Outcome(Event.RETURNED, move.detail)


def _hook(move: Move) -> str:
    """What the move's step runs, "" for nothing."""
    hooks = {Step.COPYING: move.order.copy_hook, Step.VERIFYING: move.order.verify_hook}
    return hooks.get(move.step, "")


def _insist_on_same(order: MoveOrder, known: Move) -> Move:
    """The known one. Raises MoveRefusedError when another move was asked for."""
    if (known.order.key, known.order.target) != (order.key, order.target):
        raise MoveRefusedError(
            f"operation {order.operation} is the move of {known.order.key} to {known.order.target}"
        )
    return known


def _insist_on_movable(order: MoveOrder, record: Assignment | None) -> None:
    if record is None:
        raise MoveRefusedError(f"{order.key} has no home to move from")
    if record.moved_to:
        raise MoveRefusedError(f"{order.key} is being moved to {record.moved_to}")
    if record.cell == order.target:
        raise MoveRefusedError(f"{order.key} is at home in {record.cell} already")
