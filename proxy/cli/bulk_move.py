"""homecell moves bulk: moves the users of a list, or some of those of a cell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import UsageMistakeError, config_option, json_option, load_settings
from proxy.cli.bulk_options import BulkChoices, bulk_options
from proxy.cli.completion import cell_names
from proxy.cli.move_options import MoveChoices, move_options

if TYPE_CHECKING:
    from lookup.database import Database
    from lookup.move_list import Wish
    from proxy.cli.bulk_list import UserList
    from proxy.cli.bulk_run import Errand
    from proxy.config import Settings


@click.command("bulk")
@config_option
@click.argument("file", required=False, default="")
@click.option("--from", "source", default="", shell_complete=cell_names, help="Move users of this cell.")
@click.option("--limit", "most", type=click.IntRange(1), help="Move at most so many, over all runs.")
@bulk_options
@move_options
@json_option
def move_many(
    config_file: Path | None,
    file: str,
    source: str,
    most: int | None,
    bulk: BulkChoices,
    choices: MoveChoices,
    as_json: bool,
) -> None:
    """Move the users of a list to other cells, many at once, while they are served.

    FILE, or - for standard input, has a line for each user: its key and, if it
    shall go to a certain cell, that cell. After a # come remarks. Lines that ask
    for the same count once; a list that wants a user in two cells is refused. Users
    without a cell go to one of --to, or to any serving cell under their own law: by
    weight, where there is room. Nobody goes where its jurisdiction may not live, nor
    into a cell that is not serving.

    Each user is moved as by `homecell users move`, with the same commands. The
    whole has a name: asked for again under the same name it goes on where it was,
    and moves nobody twice. Ctrl-C begins no more and ends what is under way; pressed
    again it leaves that open. Users who can't be moved are listed at the end.

    \b
    Examples:
      homecell moves bulk users.txt --to eu-west-1-cell-02 --copy-command ./copy-user.sh
      homecell moves bulk users.txt --no-copy --dry-run
      homecell moves bulk - --no-copy --rate 50/s --failures failed.txt < users.txt
      homecell moves bulk --from eu-west-1-cell-01 --limit 1000 --copy-command ./copy-user.sh

    \b
    Exit codes:
      0  every user is where it should be
      1  some are not, or it was stopped
      2  wrong usage, or a mistake in the list: nobody was moved
      3  the store cannot be reached; the same command with --operation goes on
    """
    if bool(file) is bool(source):
        mend = "give FILE or --from CELL" + (", not both" if file else "")
        raise UsageMistakeError("it must be clear who is to be moved", mend)
    from proxy.cli.bulk_run import carry_out

    settings = load_settings(config_file)
    errand = of_cell(settings, source, most, whole=False) if source else _of_list(settings, file, bulk, most)
    carry_out(settings, errand, choices, bulk, as_json)


def _of_list(settings: Settings, file: str, bulk: BulkChoices, most: int | None) -> Errand:
    from proxy.cli.bulk_list import open_list
    from proxy.cli.bulk_run import Errand

    for option, written in (("--failures", bulk.failures_file), ("--moved", bulk.moved_file)):
        if written is not None and Path(file).resolve() == written.resolve():
            raise UsageMistakeError(f"{option} would overwrite the list itself", "choose another file")
    found: UserList = open_list(file, frozenset(cell.name for cell in settings.cells))
    return Errand(
        wishes=lambda _: found.wishes(),
        count=lambda _: found.users,
        name=lambda _: f"list-{found.digest}",
        most=most,
    )


def of_cell(settings: Settings, source: str, most: int | None, *, whole: bool) -> Errand:
    """All users of the cell, or the first of them."""
    from proxy.cli.bulk_run import Errand
    from proxy.cli.user_move import find_cell

    cell = find_cell(settings, source).name
    former = f"{'evacuate' if whole else 'from'}-{cell}-"
    return Errand(
        wishes=lambda store: _users_of(store, cell),
        count=lambda users: users.get(cell, 0),
        # The flag's version: the same while the cell stays as it is, another one the next time it is emptied.
        name=lambda flags: f"{former}{flags[cell].version if cell in flags else 0}",
        leaving=cell,
        former=former,
        whole=whole,
        most=most,
    )


async def _users_of(store: Database, cell: str) -> AsyncIterator[Wish]:
    from lookup.cell_keys import keys_of
    from lookup.move_list import Wish

    async for key in keys_of(store, cell):
        yield Wish(key)
