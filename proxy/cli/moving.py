"""What `homecell users` and `homecell moves` share: driving a move, telling of it, showing it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.answers import NO, OK, UNREACHABLE, CommandError, UnreachableError, UsageMistakeError
from proxy.cli.durations import Duration
from proxy.cli.login import login_name
from proxy.cli.tables import moment

if TYPE_CHECKING:
    from lookup.database import Database
    from lookup.move_log import MoveTakenError
    from lookup.mover import Mover, Patience
    from lookup.moves import Move
    from proxy.cli.answers import CommandT
    from proxy.config import Settings


_USUAL_S: Final = 120.0
_SLACK_S: Final = 5.0
"""For a store and a feed that are slow themselves."""


class LeftOpenError(CommandError):
    """The command was stopped, or somebody else has its move in hand: as when the store is lost meanwhile."""

    exit_code = UNREACHABLE


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a move may take, in seconds: for each hook, and until every worker has acknowledged it.

    acknowledge_s  None: two minutes, or longer where a worker that died must be waited for longer
    """

    hook_s: int
    acknowledge_s: int | None = None


def wait_options(command: CommandT) -> CommandT:
    """The options --hook-timeout and --wait, alike for every command that drives a move."""
    command = click.option(
        "--wait",
        "wait_s",
        type=Duration(),
        help="Give up when some worker has not acknowledged the move by then.  "
        "[default: 2m, or longer with a longer limits.cell_request_limit_s]",
    )(command)
    return click.option(
        "--hook-timeout",
        "hook_timeout_s",
        type=Duration(),
        default="1h",
        show_default=True,
        help="Give up when a hook takes longer.",
    )(command)


def patience_of(settings: Settings, waits: Waits) -> Patience:
    """Raises UsageMistakeError when one worker that died would make every move fail."""
    from lookup.mover import Patience, least_patience_s

    limit_s = settings.limits.cell_request_limit_s
    least_s = least_patience_s(limit_s, Patience().skew_s) + _SLACK_S
    if waits.acknowledge_s is None:
        return Patience(acknowledge_s=max(_USUAL_S, least_s))
    if waits.acknowledge_s < least_s:
        raise UsageMistakeError(
            f"--wait {waits.acknowledge_s}s is too short: what a worker that died had sent may run on for "
            f"{limit_s:g} s (limits.cell_request_limit_s), and its lease for some seconds before that",
            f"give --wait {ceil(least_s)}s or more, or leave it out",
        )
    return Patience(acknowledge_s=float(waits.acknowledge_s))


def drive(
    settings: Settings, waits: Waits, quiet: bool, work: Callable[[Mover], Awaitable[Move]], known: str = ""
) -> Move:
    """What `work` makes of a mover on the config's store; ends the command when it can't.

    known  the operation, when it is in the store already
    """
    import asyncio

    from lookup.hooks import OperatorHooks
    from lookup.move_log import MoveInProgressError, MoveTakenError
    from lookup.mover import Mover, MoveRefusedError
    from proxy.cli.signals import on_signals
    from proxy.cli.store import with_database
    from proxy.cli.teller import Teller

    teller = Teller(quiet)
    patience = patience_of(settings, waits)

    async def run(store: Database) -> Move:
        hooks = OperatorHooks(float(waits.hook_s))
        mover = Mover(store, store, store, hooks, holder(), time.time, patience, teller)
        working = asyncio.ensure_future(work(mover))
        with on_signals(working.cancel):
            try:
                return await working
            except asyncio.CancelledError:
                raise _stopped(teller.operation or known) from None
            except MoveTakenError as taken:
                return await _ended_by_another(store, taken)

    try:
        return with_database(settings, run)
    except MoveRefusedError as refusal:
        raise UsageMistakeError(str(refusal), "") from refusal
    except MoveInProgressError as conflict:
        raise UsageMistakeError(str(conflict), resume_or_abort(conflict.move.order.operation)) from conflict
    except UnreachableError as failure:
        if teller.operation:
            failure.mend = f"the move stays open: {resume_or_abort(teller.operation)}"
        raise


async def _ended_by_another(store: Database, taken: MoveTakenError) -> Move:
    """The move if it is over. Raises LeftOpenError."""
    move = await store.move(taken.operation)
    if move is None or not move.is_over:
        raise LeftOpenError(f"{taken}; the move is open", _if_it_died()) from taken
    return move


def _stopped(operation: str) -> CommandError:
    if not operation:
        return LeftOpenError(
            "stopped before the first step", "see whether the move is open: homecell moves list"
        )
    return LeftOpenError(
        "stopped; the move stays open, and this user's writes are refused until it is resumed or aborted",
        resume_or_abort(operation),
    )


def holder() -> str:
    """This process, as others see who carries a move out."""
    return f"{login_name()}@{socket.gethostname()}:{os.getpid()}"


def resume_or_abort(operation: str) -> str:
    """The two ways on with an open move."""
    return f"homecell moves resume {operation}, or homecell moves abort {operation}"


def _if_it_died() -> str:
    from lookup.move_hold import HOLD_S

    again = f"if that process is dead, try again: {HOLD_S:g} s after its last sign of life the move is free"
    return f"see how far it is: homecell moves list; {again}"


def is_driven(move: Move, now_s: float) -> bool:
    """Whether somebody has the move in hand; who was killed, for some seconds more."""
    return bool(move.holder) and move.held_until_s > now_s


def exit_code(move: Move) -> int:
    """0 when the user arrived, 1 when it stays where it was."""
    return OK if move.step == "done" else NO


def verdict(move: Move) -> str:
    """How it ended, in one line."""
    if move.step == "done":
        return f"{move.order.key} is at home in {move.order.target} (epoch {move.epoch + 2})"
    return f"{move.order.key} stays in {move.source}: {move.detail or 'the move was given up'}"


def document(move: Move) -> dict[str, object]:
    """The move for --json, flat."""
    return {
        **asdict(move.order),
        "source": move.source,
        "jurisdiction": move.jurisdiction,
        "epoch": move.epoch,
        "step": move.step.value,
        "begun_at_s": move.begun_at_s,
        "changed_at_s": move.changed_at_s,
        "detail": move.detail,
        "holder": move.holder,
        "held_until_s": move.held_until_s,
    }


def row(move: Move, now_s: float) -> tuple[str, ...]:
    """The move as a line of a table under MOVE_HEADS, at that time (Unix seconds)."""
    from lookup.move_hold import HOLD_S

    is_silent = not move.is_over and not is_driven(move, now_s)
    silent = f" (silent since {moment(move.held_until_s - HOLD_S)}: dead or frozen?)" if is_silent else ""
    return (
        move.order.operation,
        move.order.key,
        move.source,
        move.order.target,
        move.step.value,
        moment(move.changed_at_s),
        f"{move.holder}{silent}" if move.holder else "-",
        move.order.author or "-",
        move.detail or move.order.reason or "-",
    )


MOVE_HEADS: Final = ("OPERATION", "USER", "FROM", "TO", "STEP", "SINCE", "DRIVER", "AUTHOR", "DETAIL")
