"""Asks an edge's admin port which flag version each worker applies, and waits until all apply a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from lookup.flags import FlagRecord
from proxy.cli.admin_port import AdminUnreachableError, ask_admin
from proxy.model import Endpoint

WAIT_S: Final = 2.0
_POLL_EVERY_S: Final = 0.02


class WorkerFlags(BaseModel):
    """What one worker applies: the version of each cell's flag, and when it noticed the newest (Unix ms)."""

    model_config = ConfigDict(frozen=True)

    slot: int
    ready: bool
    flags: dict[str, int]
    applied_ms: int


class _FlagsBody(BaseModel):
    edge: str
    store: str
    cells: list[str] | None = None
    """None: an edge of a version that doesn't tell."""

    failing: list[str] = []

    workers: list[WorkerFlags]


class Meant(NamedTuple):
    """The edge whose word is wanted: by its name, and by where its store is."""

    edge: str
    store: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How far a flag got: `applied` of `workers` workers have it, the slowest after `slowest_s`."""

    applied: int
    workers: int
    slowest_s: float

    @property
    def complete(self) -> bool:
        """Whether every worker applies it."""
        return self.applied == self.workers > 0


def ask_workers(admin: Endpoint, meant: Meant | None = None) -> Sequence[WorkerFlags]:
    """What each worker of the edge applies now.

    Raises AdminUnreachableError, also when another edge answers than the one that is meant.
    """
    told = ask_admin(admin, "/-/flags", _FlagsBody)
    if meant is not None:
        _insist_on(meant, told)
    return told.workers


def listed_cells(admin: Endpoint, meant: Meant) -> list[str] | None:
    """The cells that the running edge lists, None when it doesn't tell. Raises AdminUnreachableError."""
    return _told_by(admin, meant).cells


def failing_cells(admin: Endpoint, meant: Meant) -> list[str]:
    """The cells that do not answer the running edge. Raises AdminUnreachableError."""
    return _told_by(admin, meant).failing


def _told_by(admin: Endpoint, meant: Meant) -> _FlagsBody:
    told = ask_admin(admin, "/-/flags", _FlagsBody)
    _insist_on(meant, told)
    return told


def _insist_on(meant: Meant, told: _FlagsBody) -> None:
    if told.edge != meant.edge:
        raise AdminUnreachableError(f"the edge that answers there is `{told.edge}`")
    if told.store != meant.store:
        raise AdminUnreachableError(
            f"the edge that answers there follows another store, {told.store}; the flag is in {meant.store}"
        )


def wait_until_applied(
    record: FlagRecord,
    ask: Callable[[], Sequence[WorkerFlags]],
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> Acknowledged:
    """Ask until every worker applies the record, at most WAIT_S. Raises AdminUnreachableError.

    `clock` gives seconds that only grow, `pause` waits for some.
    """
    until_s = clock() + WAIT_S
    while True:
        state = acknowledged(record, ask())
        if state.complete or clock() >= until_s:
            return state
        pause(_POLL_EVERY_S)


def acknowledged(record: FlagRecord, workers: Sequence[WorkerFlags]) -> Acknowledged:
    """How far the record got, by the workers' own word."""
    delays_s = [
        max(0.0, worker.applied_ms / 1000 - record.set_at_s)
        for worker in workers
        if worker.ready and worker.flags.get(record.cell, 0) >= record.version
    ]
    return Acknowledged(len(delays_s), len(workers), max(delays_s, default=0.0))
