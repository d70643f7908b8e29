"""homecell users place: gives a new user its home, in a cell that is named or that placement chooses."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import (
    NO,
    OK,
    CommandError,
    UsageMistakeError,
    config_option,
    end,
    json_option,
    load_settings,
    say_json,
)
from proxy.cli.completion import cell_names
from proxy.cli.records import home_document
from proxy.cli.user_move import UserKey, find_cell, insist_on_permitted, insist_on_serving

if TYPE_CHECKING:
    from lookup.assignment import Assignment
    from lookup.placement import NoRoom
    from lookup.ports import FeedingStore
    from proxy.config import Settings


@click.command("place")
@config_option
@click.argument("user", type=UserKey())
@click.option(
    "--cell",
    "cell_name",
    default="",
    shell_complete=cell_names,
    help="Where it shall live.  [default: a cell that has room]",
)
@click.option(
    "--jurisdiction",
    default="",
    help="Whose law its bytes are under.  [default: the cell's, without --cell this edge's]",
)
@click.option("--tenant", default="", help="Whose user it is, for cells that are kept for tenants.")
@click.option(
    "--force",
    is_flag=True,
    help="Also in a named cell that is flagged down, or that the running edge does not list yet.",
)
@json_option
def place_user(
    config_file: Path | None,
    user: str,
    cell_name: str,
    jurisdiction: str,
    tenant: str,
    force: bool,
    as_json: bool,
) -> None:
    """Give a new user its home. A user that has one keeps it.

    Without --cell it gets one that its jurisdiction allows, that is serving and
    that the running edge lists: its tenant's own, else one for everybody, by weight
    and by how full it is (`weight`, `capacity` and `tenants` in the cells file,
    `placement` in the config). A cell that is named must be serving and listed,
    too, unless --force is given.

    \b
    Examples:
      homecell users place user:42
      homecell users place user:42 --jurisdiction us --tenant acme
      homecell users place user:42 --cell eu-west-1-cell-01

    \b
    Exit codes:
      0  the user is at home there
      1  the user is at home in another cell than the named one, or no cell has room
      2  wrong usage, or the named cell takes nobody now
      3  the store cannot be reached; placing the user again tells
    """
    from proxy.cli.listing import RESTART, unlisted_cells, warn_of_unlisted
    from proxy.cli.store import as_stored

    settings = load_settings(config_file)
    key = as_stored(settings, user)
    if cell_name:
        record, had_one = _place_there(settings, key, cell_name, jurisdiction, tenant, force=force)
    else:
        record, had_one = _place_anywhere(settings, key, jurisdiction, tenant)
    if as_json:
        say_json(home_document(record))
    elif cell_name not in ("", record.cell):
        raise CommandError(
            f"{user} was NOT placed in {cell_name}: it is at home in {record.cell} already "
            f"(epoch {record.epoch})",
            _way_there(settings, record, cell_name),
        )
    else:
        named = user if record.key == key else f"{user} names {record.key}, which"
        already = " already" if had_one else ""
        click.echo(f"{named} is at home in {record.cell}{already} (epoch {record.epoch})")
    if record.cell in unlisted_cells(settings):
        warn_of_unlisted(settings, record.cell, f"its users get 503 home-not-listed; {RESTART}")
    end(OK if cell_name in ("", record.cell) else NO)


def _way_there(settings: Settings, record: Assignment, cell_name: str) -> str:
    """How the user gets into that cell, or why it can't."""
    from lookup.residency import objection
    from proxy.wiring import placement_plan

    if record.moved_to:
        return f"it is being moved to {record.moved_to}; see which move it is: homecell moves list"
    found = objection(placement_plan(settings), record.jurisdiction, cell_name)
    if found is not None:
        return f"it may not move there: {found}"
    command = f"homecell users move {record.key} --to {cell_name} --copy-command ./copy-user.sh"
    return f"to move it: {command}, or with --no-copy when there is nothing to copy"


def _place_there(
    settings: Settings, user: str, cell_name: str, jurisdiction: str, tenant: str, *, force: bool
) -> tuple[Assignment, bool]:
    """The user's record, and whether it was there before."""
    from lookup.writer import place
    from proxy.cli.listing import insist_on_listed
    from proxy.cli.store import with_store

    cell = find_cell(settings, cell_name)
    law = jurisdiction or cell.jurisdiction
    insist_on_permitted(settings, law, cell)
    if tenant:
        raise UsageMistakeError("--tenant helps to choose a cell, and --cell has chosen", "leave one away")
    if not force:
        insist_on_listed(settings, cell.name)

    async def run(store: FeedingStore) -> tuple[Assignment, bool]:
        present = (await store.read([user])).get(user)
        if present is not None:
            return present, True
        if not force:
            insist_on_serving(await store.flags(), cell.name, ", or give --force")
        return await place(store, user, cell.name, law, time.time()), False

    return with_store(settings, run)


def _place_anywhere(settings: Settings, user: str, jurisdiction: str, tenant: str) -> tuple[Assignment, bool]:
    """As _place_there."""
    from lookup.placement import NoRoom
    from lookup.placer import Placer
    from proxy.cli.listing import RESTART, unlisted_cells, warn_of_unlisted
    from proxy.cli.store import with_store
    from proxy.wiring import placement_plan

    unlisted = unlisted_cells(settings)
    plan, law = placement_plan(settings), jurisdiction or settings.edge.jurisdiction
    plan = replace(plan, cells=[cell for cell in plan.cells if cell.name not in unlisted])
    if law not in plan.laws:
        mend = f"the config's `residency` knows {', '.join(settings.residency)}"
        raise UsageMistakeError(f"there is no jurisdiction `{law}`", mend)

    async def run(store: FeedingStore) -> tuple[Assignment | NoRoom, bool]:
        had_one = user in await store.read([user])
        return await Placer(store, plan, time.time).place(user, law, tenant), had_one

    found, had_one = with_store(settings, run)
    if isinstance(found, NoRoom):
        for name in sorted(unlisted):
            warn_of_unlisted(settings, name, f"nobody is placed there unasked; {RESTART}")
        raise CommandError(f"no cell takes {user} now: {found}", _ways_out(found))
    return found, had_one


def _ways_out(found: NoRoom) -> str:
    from lookup.placement import NOT_SERVING

    closed = [name for name, reason in found.reasons.items() if reason == NOT_SERVING]
    put_back = [f"put one back: homecell cells flag {closed[0]} serving"] if closed else []
    make_room = [] if len(closed) == len(found.reasons) > 0 else ["raise a weight, a capacity or the cap"]
    return ", or ".join([*put_back, *make_room, "add a cell, or name one with --cell"])
