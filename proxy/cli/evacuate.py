"""homecell cells evacuate: moves all users out of a cell."""

from __future__ import annotations

from pathlib import Path

import click

from proxy.cli.answers import config_option, json_option, load_settings
from proxy.cli.bulk_move import of_cell
from proxy.cli.bulk_options import BulkChoices, bulk_options
from proxy.cli.completion import cell_names
from proxy.cli.move_options import MoveChoices, move_options


@click.command("evacuate")
@config_option
@click.argument("name", shell_complete=cell_names)
@bulk_options
@move_options
@json_option
def evacuate_cell(
    config_file: Path | None, name: str, bulk: BulkChoices, choices: MoveChoices, as_json: bool
) -> None:
    """Move all users out of a cell, while they are served.

    They go to the cells of --to, or to all serving cells under their own law: by
    weight, where there is room. First set `weight: 0` for the cell in the cells
    file and send SIGHUP to what places users, so that no new ones come. Don't flag
    it down for that: users who still wait for their move would get 503. Everything
    else is as `homecell moves bulk --help` tells: the commands, going on after a
    crash, Ctrl-C. Keep a list with --moved if they are to come back one day.

    \b
    Examples:
      homecell cells evacuate eu-west-1-cell-01 --no-copy --dry-run
      homecell cells evacuate eu-west-1-cell-01 --copy-command ./copy-user.sh --moved moved.txt
      homecell moves bulk moved.txt --copy-command ./copy-user.sh    # brings them back
      homecell cells evacuate eu-west-1-cell-01 --to eu-west-1-cell-02,eu-west-1-cell-03 --no-copy

    \b
    Exit codes:
      0  nobody is at home there any more
      1  some still are, or it was stopped
      2  wrong usage: nobody was moved
      3  the store cannot be reached; the same command with --operation goes on
    """
    from proxy.cli.bulk_run import carry_out

    settings = load_settings(config_file)
    carry_out(settings, of_cell(settings, name, None, whole=True), choices, bulk, as_json)
