"""Compares the cells file with the cells that the running edge of the config lists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from proxy.cli.acknowledgement import Meant, failing_cells, listed_cells
from proxy.cli.admin_port import AdminUnreachableError
from proxy.cli.answers import UsageMistakeError
from proxy.cli.tables import address

if TYPE_CHECKING:
    from proxy.config import Settings

RESTART = "restart it (SIGTERM, then start it)"


def unlisted_cells(settings: Settings) -> frozenset[str]:
    """Cells of the file that the running edge does not list; none when no edge can be asked."""
    edge = settings.edge
    try:
        listed = listed_cells(edge.admin, Meant(edge.name, settings.store.place))
    except AdminUnreachableError:
        return frozenset()
    return (
        frozenset() if listed is None else frozenset(cell.name for cell in settings.cells).difference(listed)
    )


def unanswering_cells(settings: Settings) -> list[str]:
    """Cells that the running edge gets no answer from; none when no edge can be asked."""
    edge = settings.edge
    try:
        return failing_cells(edge.admin, Meant(edge.name, settings.store.place))
    except AdminUnreachableError:
        return []


def warn_of_failing(settings: Settings) -> None:
    """Of cells that the running edge gets no answer from, if an edge can be asked."""
    edge = settings.edge
    for name in unanswering_cells(settings):
        click.secho(f"warning: {name} does not answer, says {edge.name}", fg="yellow", err=True)


def not_listed(settings: Settings, cell: str) -> str:
    """`edge-1, which runs at 127.0.0.1:9080, does not list `red` yet`."""
    edge = settings.edge
    return f"{edge.name}, which runs with its admin port at {address(edge.admin)}, does not list `{cell}` yet"


def insist_on_listed(settings: Settings, cell: str) -> None:
    """End the command if requests of users in that cell would be refused by the running edge."""
    if cell in unlisted_cells(settings):
        raise UsageMistakeError(not_listed(settings, cell), f"{RESTART}, or give --force")


async def what_is_amiss(settings: Settings, cell: str) -> str:
    """Why nobody should be moved there by who can't be given --force; "" for nothing. Doesn't block."""
    unlisted = await asyncio.to_thread(unlisted_cells, settings)
    return f"{not_listed(settings, cell)}: {RESTART}" if cell in unlisted else ""


def warn_of_unlisted(settings: Settings, cell: str, mend: str = RESTART) -> None:
    """What comes of a user in a cell that the running edge does not list."""
    click.secho(f"warning: {not_listed(settings, cell)}: {mend}", fg="yellow", err=True)
