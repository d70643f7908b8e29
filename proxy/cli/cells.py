"""homecell cells: shows the cells; what is done to one is in modules of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lookup.flags import Flag, FlagRecord
from proxy.cli.answers import (
    HELP_SETTINGS,
    SummaryGroup,
    config_option,
    json_option,
    load_settings,
    say_json,
)
from proxy.cli.cell_flag import flag_cell
from proxy.cli.evacuate import evacuate_cell
from proxy.cli.tables import address, moment, show_table

if TYPE_CHECKING:
    from lookup.ports import FeedingStore
    from proxy.config import Settings
    from proxy.model import Cell


@dataclass(frozen=True, slots=True)
class CellRow:
    """A cell with its flag in force; author, reason and times are of the record, "" and None without one.

    share   of all users, 0 to 1
    """

    name: str
    jurisdiction: str
    region: str
    endpoints: list[str]
    flag: str
    reason: str
    author: str
    since_s: float | None
    expires_at_s: float | None
    version: int
    users: int
    share: float
    capacity: int | None


@click.group("cells", cls=SummaryGroup, context_settings=HELP_SETTINGS)
def command() -> None:
    """Show the cells, take one out of service, put it back, empty it.

    \b
    Examples:
      homecell cells list
      homecell cells flag eu-west-1-cell-01 down --reason "disk full" --expires-in 2h
      homecell cells flag eu-west-1-cell-01 serving
      homecell cells evacuate eu-west-1-cell-01 --copy-command ./copy-user.sh
    """


@command.command("list")
@config_option
@json_option
def list_cells(config_file: Path | None, as_json: bool) -> None:
    """Show every cell: where it is, its flag with who, why and since when, and how many users it has.

    SHARE is the part of all users. A cell that is full, or has more of them than
    the config's `placement` finds good, is warned of; so is one that does not
    answer the config's edge, if that runs.

    \b
    Examples:
      homecell cells list
      homecell cells list --json | jq -r '.[] | select(.flag == "down") | .name'
    """
    from proxy.cli.listing import warn_of_failing
    from proxy.cli.store import with_store

    settings = load_settings(config_file)
    flags, users = with_store(settings, _read)
    now_s, total = time.time(), sum(users.values())
    rows = [
        cell_row(cell, flags.get(cell.name), users.get(cell.name, 0), total, now_s) for cell in settings.cells
    ]
    if as_json:
        say_json([asdict(row) for row in rows])
    else:
        _show_rows(rows)
    _warn(settings, users)
    warn_of_failing(settings)


def _warn(settings: Settings, users: Mapping[str, int]) -> None:
    from lookup.placement import warnings
    from proxy.wiring import placement_plan

    plan = placement_plan(settings)
    for name, matter in warnings(users, plan.cells, plan.limits):
        click.secho(f"warning: {name} {matter}", fg="yellow", err=True)
    known = {cell.name for cell in settings.cells}
    for name in sorted(users.keys() - known):
        who = "1 user lives" if users[name] == 1 else f"{users[name]} users live"
        text = f"warning: {who} in `{name}`, which is not in {settings.cells_file}"
        click.secho(text, fg="yellow", err=True)


async def _read(store: FeedingStore) -> tuple[Mapping[str, FlagRecord], Mapping[str, int]]:
    return await store.flags(), await store.count_by_cell()


def cell_row(cell: Cell, record: FlagRecord | None, users: int, total: int, now_s: float) -> CellRow:
    """What is shown of a cell with so many of all users at that time (Unix seconds); an expired flag is shown
    as serving."""
    expired = record is not None and record.expires_at_s is not None and record.expires_at_s <= now_s
    reason = record.reason if record else ""
    return CellRow(
        name=cell.name,
        jurisdiction=cell.jurisdiction,
        region=cell.region,
        endpoints=[address(endpoint) for endpoint in cell.endpoints],
        flag=Flag.SERVING.value if record is None or expired else record.shown,
        reason=f"{record.shown} expired: {reason}" if record and expired else reason,
        author=record.author if record else "",
        since_s=record.expires_at_s if record and expired else (record.set_at_s if record else None),
        expires_at_s=record.expires_at_s if record and not expired else None,
        version=record.version if record else 0,
        users=users,
        share=users / total if total else 0.0,
        capacity=cell.capacity,
    )


def _show_rows(rows: list[CellRow]) -> None:
    heads = (
        "NAME",
        "JURISDICTION",
        "REGION",
        "ENDPOINTS",
        "FLAG",
        "USERS",
        "SHARE",
        "CAPACITY",
        "SINCE",
        "UNTIL",
        "AUTHOR",
        "REASON",
    )
    show_table(
        heads,
        [
            (
                row.name,
                row.jurisdiction,
                row.region,
                ",".join(row.endpoints),
                row.flag,
                str(row.users),
                f"{row.share:.1%}",
                "-" if row.capacity is None else str(row.capacity),
                "-" if row.since_s is None else moment(row.since_s),
                "-" if row.expires_at_s is None else moment(row.expires_at_s),
                row.author or "-",
                row.reason or "-",
            )
            for row in rows
        ],
    )


command.add_command(flag_cell)
command.add_command(evacuate_cell)
