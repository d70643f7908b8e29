"""homecell users heavy: who asks most of the edge that runs here."""

from __future__ import annotations

from pathlib import Path

import click

from proxy.cli.answers import UnreachableError, config_option, json_option, load_settings, say_json
from proxy.cli.tables import address, show_table


@click.command("heavy")
@config_option
@click.option("--cell", default="", help="Only the users of this cell.")
@json_option
def show_heavy(config_file: Path | None, cell: str, as_json: bool) -> None:
    """Show the users who asked most lately.

    The shares are of their cell's requests at this edge, in the last two minutes
    or so, estimated from a sample: the truth lies between the two. Keys are shown
    as the store holds them. The edge tells it only to its own machine.

    \b
    Examples:
      homecell users heavy
      homecell users heavy --cell eu-west-1-cell-01 --json

    \b
    Exit codes:
      0  shown
      3  the edge's admin port does not answer
    """
    from proxy.cli.admin_port import AdminUnreachableError, HeavyBody, ask_admin

    settings = load_settings(config_file)
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
        rows = [(u.cell, u.key, f"{u.share:.1%}", f"{u.share_at_most:.1%}") for u in users]
        show_table(("CELL", "KEY", "SHARE", "AT MOST"), rows)
    else:
        click.echo("too few requests to tell")
