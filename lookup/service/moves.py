"""The service's answers about moves: begins, tells, resumes and gives them up. Drives none itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lookup.database import Database
from lookup.hooks import ConfiguredHooks
from lookup.keys import AS_THEY_ARE, KeySpelling
from lookup.leases import Lease, stands_in_way
from lookup.move_targets import Stays, Targets
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, MoveOrder, Position, Step
from lookup.placer import PlacementPlan, closed_cells
from lookup.service.forms import Json
from lookup.service.move_drivers import MAX_MOVES, MoveDrivers
from lookup.service.move_forms import MoveStatus, OpenMoves, open_moves_form, status_form
from lookup.service.move_watch import MoveWatch, Tell
from lookup.service.problems import ProblemError

MAX_LISTED: Final = 1000
MAX_OPERATION_CHARS: Final = 128
_MAX_TEXT_CHARS: Final = 1000
_NEEDS_HOOKS: Final = frozenset({Step.INTENDED, Step.FENCING, Step.COPYING, Step.VERIFYING})


@dataclass(frozen=True, slots=True)
class Moving:
    """How a service moves users.

    database  with the log of moves and the leases
    hooks     what copies and verifies
    patience  with workers that have not acknowledged
    most      moves carried out at once
    holder    this service, as others see who carries a move out
    unlisted  what is amiss with the cell for the edges that run now, "" for nothing: they refuse requests of
              users at home in a cell that they do not list
    """

    database: Database
    hooks: ConfiguredHooks
    patience: Patience
    most: int
    holder: str
    unlisted: Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A move's status; `goes_on`: it is being carried on in the background."""

    form: Mapping[str, Json]
    goes_on: bool


class MoveAnswers:
    """Raises ValueError for what is not as it should be, ProblemError, and what the log of moves raises.

    Built inside the running loop; `clock` gives Unix seconds. `moving` None: the service moves nobody.
    """

    def __init__(
        self,
        moving: Moving | None,
        plan: PlacementPlan,
        clock: Callable[[], float],
        spelling: KeySpelling = AS_THEY_ARE,
    ) -> None:
        self._desk = None if moving is None else _Desk(moving, plan, clock)
        self._clock = clock
        self._spelling = spelling

    async def begin(self, form: object, caller: str) -> Reply:
        """The move that was asked for: begun now, or found as it is; if it is open, it is carried on.

        caller  whose token it was, "" if that has no name: kept with the author that the form names
        """
        match form:
            case {"operation": str() as operation, "key": str() as key, "target": str() as target, **rest}:
                author, reason = rest.pop("author", ""), rest.pop("reason", "")
            case _:
                raise ValueError("the body is no object with the texts `operation`, `key` and `target`")
        if rest:
            unknown = ", ".join(f"`{name}`" for name in sorted(map(str, rest)))
            raise ValueError(f"a move has no {unknown}; what copies is in the service's config")
        if not isinstance(author, str) or not isinstance(reason, str):
            raise ValueError("`author` and `reason` are texts")
        if max(len(author), len(reason)) > _MAX_TEXT_CHARS:
            raise ValueError(f"`author` or `reason` is longer than {_MAX_TEXT_CHARS} characters")
        _check_operation(operation)
        desk, key = self._open_desk(), self._spelling.admit(key)
        copy, verify = desk.moving.hooks.copy, desk.moving.hooks.verify
        return await desk.begin(
            MoveOrder(operation, key, target, copy, verify, _author(author, caller), reason)
        )

    async def one(self, operation: str) -> Mapping[str, Json]:
        """How far a move is."""
        desk = self._open_desk()
        return status_form(await desk.status(await desk.known(operation)))

    async def unfinished(self, after: str) -> Mapping[str, Json]:
        """The moves that are not over, the latest first; of these those after that operation, "" for all."""
        desk = self._open_desk()
        last = await desk.known(after) if after else None
        moves = await desk.moving.database.moves(open_only=True, limit=MAX_LISTED + 1, after=last)
        return open_moves_form(OpenMoves(tuple(moves[:MAX_LISTED]), len(moves) > MAX_LISTED))

    async def resume(self, operation: str) -> Reply:
        """Carry a move on that nobody carries on; nothing happens while another driver is at it."""
        desk = self._open_desk()
        return await desk.carry_on(await desk.known(operation))

    async def abort(self, operation: str, form: object) -> Mapping[str, Json]:
        """Bring the user back home, whoever drives the move."""
        match form:
            case {"reason": str() as reason} if 0 < len(reason) <= _MAX_TEXT_CHARS:
                desk = self._open_desk()
            case _:
                raise ValueError(
                    f"the body is no object with a text `reason` of 1 to {_MAX_TEXT_CHARS} characters"
                )
        await desk.known(operation)
        return status_form(await desk.status(await desk.drivers.give_up(operation, reason)))

    async def watch(self, tell: Tell) -> None:
        """Carry on, until cancelled, what others have left: see MoveWatch. Nothing if it moves nobody."""
        desk = self._desk
        if desk is not None:
            log, may = desk.moving.database, desk.may_carry_on
            await MoveWatch(log, desk.drivers, may, tell, self._clock).run()

    async def close(self) -> None:
        """Leave every move where it is, free for another driver."""
        if self._desk is not None:
            await self._desk.drivers.close()

    def _open_desk(self) -> _Desk:
        if self._desk is None:
            raise ProblemError("no-moves", "add `moves` to `lookup_service` in the config of the service")
        return self._desk


class _Desk:
    """What is there when the service moves users."""

    def __init__(self, moving: Moving, plan: PlacementPlan, clock: Callable[[], float]) -> None:
        self.moving = moving
        self._database = database = moving.database
        self._plan = plan
        self._clock = clock
        self._mover = Mover(
            database, database, database, moving.hooks, moving.holder, clock, moving.patience, MoveListener()
        )
        self.drivers = MoveDrivers(self._mover, database, moving.holder, moving.most, clock)

    async def begin(self, order: MoveOrder) -> Reply:
        """A move that is known is not judged again: what was asked for stays asked for."""
        if await self._database.move(order.operation) is None:
            await self._insist_on_welcome(order)
            if not self.drivers.has_room:
                raise ProblemError("too-many-moves", f"{MAX_MOVES} are open here already; begin it later")
        return await self.carry_on(await self._mover.begin(order))

    async def carry_on(self, move: Move) -> Reply:
        order = move.order
        if move.is_over:
            return Reply(status_form(await self.status(move)), goes_on=False)
        if not self.may_carry_on(move):
            detail = (
                f"operation {order.operation} is copied and verified otherwise than this service does it: "
                f"homecell moves resume {order.operation}"
            )
            raise ProblemError("move-refused", detail)
        self.drivers.start(order.operation)
        return Reply(status_form(await self.status(move)), goes_on=True)

    def may_carry_on(self, move: Move) -> bool:
        """Whether what the move still needs is what this service does."""
        hooks, order = self.moving.hooks, move.order
        is_own = (order.copy_hook, order.verify_hook) == (hooks.copy, hooks.verify)
        return is_own or move.step not in _NEEDS_HOOKS

    async def known(self, operation: str) -> Move:
        move = await self._database.move(operation)
        if move is None:
            raise ProblemError("unknown-move", f"there is no move with the operation id {operation}")
        return move

    async def status(self, move: Move) -> MoveStatus:
        operation, now_s = move.order.operation, self._clock()
        leases = await self._acknowledgements(move, now_s) if move.step is Step.FENCING else {}
        if self.drivers.is_queued(operation):
            waits_for = f"its turn: at most {self.moving.most} are carried out at once"
        elif self.drivers.is_driving(operation) or (move.holder and move.held_until_s > now_s):
            waits_for = reason_to_wait(move, [worker for worker, given in leases.items() if not given])
        else:
            waits_for = reason_to_stand_still(move)
        return MoveStatus(move, waits_for, leases)

    async def _acknowledgements(self, move: Move, now_s: float) -> Mapping[str, bool]:
        """By worker; those aside that have been gone for long."""
        position, fence = await self._database.position(), move.fence
        if fence is None or fence.generation != position.generation:
            fence = await self._database.position(move.order.key)
        skew_s = self.moving.patience.skew_s
        return {
            lease.worker: has_acknowledged(lease, move, fence, now_s, skew_s)
            for lease in await self._database.leases()
            if not lease.is_gone(now_s, skew_s)
        }

    async def _insist_on_welcome(self, order: MoveOrder) -> None:
        record = (await self._database.read([order.key])).get(order.key)
        if record is None:
            raise ProblemError("unknown-home", f"{order.key} has no home to move from")
        closed = closed_cells(await self._database.flags(), self._clock())
        judged = Targets(self._plan, None, "", {}, closed).choose(record, order.target)
        if isinstance(judged, Stays):
            raise ProblemError("move-refused", f"{order.key} {judged.reason}")
        if amiss := await self.moving.unlisted(order.target):
            raise ProblemError("move-refused", amiss)


def reason_to_stand_still(move: Move) -> str:
    """What a move needs that nobody carries out, as far as the log tells: it knows of no turns."""
    if move.is_over:
        return ""
    if move.step is Step.INTENDED:
        return "its turn in another service, or one that takes it over, or somebody who resumes or aborts it"
    return "a service that takes it over, or somebody who resumes or aborts it: nobody carries it out"


def has_acknowledged(lease: Lease, move: Move, fence: Position, now_s: float, skew_s: float) -> bool:
    """Whether a move at the step FENCING need not wait for this worker."""
    if lease.confirms:
        return now_s >= lease.runs_until_s(move.changed_at_s) + skew_s
    return not stands_in_way(lease, move.order.key, fence, now_s, skew_s)


def reason_to_wait(move: Move, missing: Sequence[str]) -> str:
    """What a move needs that somebody carries out; `missing` are workers that have not acknowledged it."""
    if move.step is Step.FENCING and missing:
        return f"{', '.join(missing)} to acknowledge it"
    if move.step is Step.COPYING and move.order.copy_hook:
        return "the hook that copies"
    if move.step is Step.VERIFYING and move.order.verify_hook:
        return "the hook that verifies"
    return ""


def _author(named: str, caller: str) -> str:
    """Who asks may say for whom; that does not hide whose token it was."""
    return f"{named} by {caller}" if named and caller and named != caller else named or caller


def _check_operation(operation: str) -> None:
    if not 0 < len(operation) <= MAX_OPERATION_CHARS or not operation.isprintable():
        raise ValueError(f"`operation` has 1 to {MAX_OPERATION_CHARS} printable characters")
    if operation in (".", ".."):
        raise ValueError("`operation` is a dot or two: no path can hold it, so nobody could ask for the move")
    if "/" in operation:
        raise ValueError("`operation` holds a slash: such are the moves of `homecell moves bulk`")
