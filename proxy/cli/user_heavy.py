"""homecell users heavy: who asks most of the edge that runs here."""

from __future__ import annotations

from pathlib import Path

import click

from proxy.cli.answers import UnreachableError, config_option, json_option, load_settings, say_json
from proxy.cli.completion import cell_names
from proxy.cli.tables import address, show_table
from proxy.cli.user_move import find_cell


@click.command("heavy")
@config_option
@click.option("--cell", default="", shell_complete=cell_names, help="Only the users of this cell.")
@json_option
def show_heavy(config_file: Path | None, cell: str, as_json: bool) -> None:
    """Show the users who asked most lately.

    The shares are of their cell's requests at this edge, in the last two minutes
    or so. One request in 32 or fewer is looked at: the truth lies between the two
    shares 99 times of 100, and SAMPLES says of how many requests that was learnt.
    Shown is who has a tenth of a cell at least, or twice what even sharing gives.
    Keys are shown as the store holds them. The edge tells it only to its own
    machine.

    \b
    Examples:
      homecell users heavy
      homecell users heavy --cell eu-west-1-cell-01 --json

    \b
    Exit codes:
      0  shown
      2  no such cell, or a mistake in the config
      3  the edge's admin port does not answer
    """
    from proxy.cli.admin_port import AdminUnreachableError, HeavyBody, ask_admin

    settings = load_settings(config_file)
    if cell:
        find_cell(settings, cell)
    admin = settings.edge.admin
    try:
        told = ask_admin(admin, "/-/heavy", HeavyBody)
    except AdminUnreachableError as error:
        mend = "run this on the edge's machine, while homecell proxy runs with this config"
        raise UnreachableError(f"the admin port {address(admin)} gave no answer: {error}", mend) from error
    users = [user for user in told.users if cell in ("", user.cell)]
    if as_json:
        say_json([user.model_dump() for user in users])
    elif users:
        rows = [
            (
                u.cell,
                u.key,
                f"{u.share_at_least:.1%}",
                f"{u.share_at_most:.1%}",
                f"{u.samples} of {u.samples_of_cell}",
            )
            for u in users
        ]
        show_table(("CELL", "KEY", "AT LEAST", "AT MOST", "SAMPLES"), rows)
    else:
        click.echo("nobody stands out, or too few requests to tell")
