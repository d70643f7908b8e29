"""Carries a move of many users out for a command: asks the store, drives, listens to Ctrl-C, reports."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from lookup.flags import FlagRecord
from lookup.hooks import OperatorHooks
from lookup.move_bulk import BulkMover
from lookup.move_fates import BulkOrder, Ending, Outcome, Stop
from lookup.move_list import Wish
from lookup.move_open import open_moves
from lookup.move_pace import Pace
from lookup.move_preview import preview
from lookup.move_targets import Targets
from lookup.mover import MoveListener, Mover
from lookup.placement import CellRoom
from lookup.placer import PlacementPlan, closed_cells
from proxy.cli.answers import UsageMistakeError
from proxy.cli.blast_radius import (
    new_users_still_come,
    possible_targets,
    too_many_on_average,
    too_many_then,
)
from proxy.cli.bulk_end import Ended, Foresight, report
from proxy.cli.bulk_options import BulkChoices
from proxy.cli.bulk_progress import Progress, progress_for
from proxy.cli.bulk_report import Tally
from proxy.cli.listing import RESTART, not_listed, unlisted_cells, warn_of_unlisted
from proxy.cli.move_options import MoveChoices
from proxy.cli.moving import holder, patience_of
from proxy.cli.signals import on_signals
from proxy.cli.store import with_database
from proxy.cli.user_move import find_cell
from proxy.wiring import key_spelling, placement_plan

if TYPE_CHECKING:
    from lookup.database import Database
    from proxy.config import Settings


@dataclass(frozen=True, slots=True)
class Errand:
    """Whom to move.

    wishes   the users, from the beginning each time
    count    how many these are at most, from the number of users in each cell
    name     of the operation unless another is given, from the flags as they are
    leaving  the cell that they are to leave, "" when they may be anywhere
    former   how all names begin that `name` gives as this cell's flag changes; "" when the name never changes
    whole    whether that cell is to be empty in the end
    most     at most so many, None for all
    """

    wishes: Callable[[Database], AsyncIterator[Wish]]
    count: Callable[[Mapping[str, int]], int]
    name: Callable[[Mapping[str, FlagRecord]], str]
    leaving: str = ""
    former: str = ""
    whole: bool = False
    most: int | None = None


def carry_out(
    settings: Settings, errand: Errand, choices: MoveChoices, bulk: BulkChoices, as_json: bool
) -> None:
    """All of a command; ends it with an honest exit code."""
    if not bulk.dry_run:
        choices.insist_on_clear_copying()
    for name in bulk.targets:
        if find_cell(settings, name).name == errand.leaving:
            raise UsageMistakeError(f"{name} is the cell that is to be left", "leave it out of --to")

    async def work(store: Database) -> Ended | Foresight:
        return await _Run(settings, errand, choices, bulk, as_json).of(store)

    report(with_database(settings, work), as_json)


class _Run:
    def __init__(
        self, settings: Settings, errand: Errand, choices: MoveChoices, bulk: BulkChoices, as_json: bool
    ) -> None:
        self._settings = settings
        self._patience = patience_of(settings, choices.waits)
        self._errand = errand
        self._choices = choices
        self._bulk = bulk
        self._quiet = as_json
        self._possible: list[CellRoom] = []

    async def of(self, store: Database) -> Ended | Foresight:
        errand = self._errand
        flags = await store.flags()
        closed = closed_cells(flags, time.time())
        order = self._order(self._bulk.operation or errand.name(flags))
        for name in sorted(closed.intersection(self._bulk.targets)):
            flagged = f"{name} is flagged {flags[name].flag}: {flags[name].reason}"
            if self._bulk.dry_run or not await open_moves(store, order):
                mend = f"choose another cell, or put it back: homecell cells flag {name} serving"
                raise UsageMistakeError(flagged, mend)
            self._say(f"{flagged}; moves that were begun come to their end, and no more begin to go there")
        plan = self._plan()
        targets = Targets(plan, self._bulk.targets or None, errand.leaving, {}, closed)
        if errand.whole:
            _warn(new_users_still_come(placement_plan(self._settings), errand.leaving, closed))
        self._possible = possible_targets(plan, self._bulk.targets, errand.leaving, closed)
        if self._bulk.dry_run:
            users = await store.count_by_cell()
            targets.know_users(users)
            found = await preview(store, store, targets, order, self._wishes(store))
            _warn(too_many_then(found.to, users, plan.limits))
            return Foresight(order.operation, found)
        await self._tell_what_begins(store, order)
        return await self._move(store, targets, order)

    def _plan(self) -> PlacementPlan:
        """Without cells that the running edge does not list, unless --force has them taken."""
        settings, plan = self._settings, placement_plan(self._settings)
        unlisted = frozenset() if self._choices.force else unlisted_cells(settings)
        for name in sorted(unlisted):
            if name in self._bulk.targets:
                raise UsageMistakeError(not_listed(settings, name), f"{RESTART}, or give --force")
            warn_of_unlisted(settings, name, f"nobody is moved there; {RESTART}, or give --force")
        return replace(plan, cells=[cell for cell in plan.cells if cell.name not in unlisted])

    async def _tell_what_begins(self, store: Database, order: BulkOrder) -> None:
        before = ""
        if order.most is not None:
            noted = await store.noted_under(order.operation)
            before = f"; {noted:,} of at most {order.most:,} moves were begun before" if noted else ""
        self._say(f"operation {order.operation}{before}")

    async def _move(self, store: Database, targets: Targets, order: BulkOrder) -> Ended:
        begun_s = time.monotonic()
        bulk = self._bulk
        hooks = self._choices.hooks_as_typed
        tally = Tally(order.operation, bulk.failures_file, bulk.moved_file, hooks, bulk.targets)
        progress = progress_for(self._quiet)
        mover = self._mover(store, targets, order, tally, progress)
        try:
            outcome, left_open = await self._until_over(mover, self._counted(store, targets, progress))
        finally:
            progress.close()
            tally.close()
        left = 0
        if self._errand.whole and outcome.stop is Stop.NOT:
            left = (await store.count_by_cell()).get(self._errand.leaving, 0)
        took_s = time.monotonic() - begun_s
        return Ended(order.operation, tally, outcome, took_s, self._errand.leaving, left, left_open)

    def _mover(
        self, store: Database, targets: Targets, order: BulkOrder, tally: Tally, progress: Progress
    ) -> BulkMover:
        def tell(ending: Ending) -> None:
            tally.hear(ending)
            progress.show(tally)

        waits = self._choices.waits
        hooks = OperatorHooks(float(waits.hook_s))
        one = Mover(store, store, store, hooks, holder(), time.time, self._patience, MoveListener())
        pace = Pace(self._bulk.per_s, time.monotonic)
        return BulkMover(store, store, one, targets, pace, order, tell, time.time)

    async def _until_over(self, mover: BulkMover, wishes: AsyncIterator[Wish]) -> tuple[Outcome, int]:
        """What came of it, and how many moves were left open by a second Ctrl-C."""
        running = asyncio.ensure_future(mover.run(wishes))

        def interrupted() -> None:
            if mover.is_stopping:
                running.cancel()
                return
            mover.stop()
            again = "; once more leaves them as they are" if mover.under_way else ""
            self._say(f"stopping: {mover.under_way} under way come to their end{again}")

        with on_signals(interrupted):
            try:
                return await running, 0
            except asyncio.CancelledError:
                return Outcome(Stop.ASKED), len(await mover.left_open())

    async def _counted(self, store: Database, targets: Targets, progress: Progress) -> AsyncIterator[Wish]:
        """The users. Before the first of them all are counted, which takes long in a large store: the mover
        asks for that one when what was open before is looked after."""
        users_of = await store.count_by_cell()
        targets.know_users(users_of)
        expected = min(self._errand.count(users_of), self._errand.most or sys.maxsize)
        _warn(too_many_on_average(self._possible, expected, users_of, placement_plan(self._settings).limits))
        progress.expect(expected)
        async for wish in self._wishes(store):
            yield wish

    async def _wishes(self, store: Database) -> AsyncIterator[Wish]:
        spelling = key_spelling(self._settings)
        async for wish in self._errand.wishes(store):
            yield Wish(spelling.admit(wish.key), wish.target)

    def _order(self, operation: str) -> BulkOrder:
        choices, bulk = self._choices, self._bulk
        return BulkOrder(
            operation,
            choices.copy_hook,
            choices.verify_hook,
            choices.author,
            choices.reason,
            bulk.fit(choices),
            self._errand.most,
            bulk.share,
            self._errand.leaving,
            self._errand.former,
        )

    def _say(self, text: str) -> None:
        if not self._quiet:
            click.echo(text, err=True)


def _warn(texts: Iterator[str]) -> None:
    for text in texts:
        click.secho(f"warning: {text}", fg="yellow", err=True)
