"""homecell moves: what is being moved, and what to do with a move that stands still."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.answers import (
    HELP_SETTINGS,
    SummaryGroup,
    UsageMistakeError,
    config_option,
    end,
    json_option,
    load_settings,
    say_json,
)
from proxy.cli.bulk_move import move_many
from proxy.cli.moving import (
    MOVE_HEADS,
    Waits,
    document,
    drive,
    exit_code,
    row,
    verdict,
    wait_options,
)
from proxy.cli.tables import show_table

if TYPE_CHECKING:
    from proxy.config import Settings

_MOST_SHOWN: Final = 1000


@click.group("moves", cls=SummaryGroup, context_settings=HELP_SETTINGS)
def command() -> None:
    """Move many users; list moves, resume or abort one.

    `homecell users move` moves one; other programs do so through the lookup
    service, whose moves are listed, resumed and aborted here as well.

    \b
    Examples:
      homecell moves bulk users.txt --to eu-west-1-cell-02 --copy-command ./copy-user.sh
      homecell moves list
      homecell moves resume 5f2c9a7e41d04b7f
      homecell moves abort 5f2c9a7e41d04b7f --reason "target is full"
    """


@command.command("list")
@config_option
@click.option("--all", "show_all", is_flag=True, help="Those that are over as well, the latest first.")
@json_option
def list_moves(config_file: Path | None, show_all: bool, as_json: bool) -> None:
    """Show the moves that are not over: how far each is, and who carries it out.

    A move without a driver stands still: its driver was stopped. One that was
    killed or is frozen is shown for some seconds more, then as silent, and since
    when: resume its move then. A frozen one that goes on afterwards stops by itself.

    \b
    Examples:
      homecell moves list
      homecell moves list --all --json
    """
    from proxy.cli.store import with_database

    settings = load_settings(config_file)
    limit = _MOST_SHOWN + 1
    found = with_database(settings, lambda store: store.moves(open_only=not show_all, limit=limit))
    moves = found[:_MOST_SHOWN]
    if len(found) > len(moves):
        click.echo(f"there are more: these are the latest {_MOST_SHOWN:,}", err=True)
    if as_json:
        say_json([document(move) for move in moves])
    elif moves:
        show_table(MOVE_HEADS, [row(move, time.time()) for move in moves])
    else:
        click.echo("no moves" if show_all else "no move is open")


@command.command("resume")
@config_option
@click.argument("operation")
@wait_options
@json_option
def resume_move(
    config_file: Path | None, operation: str, hook_timeout_s: int, wait_s: int | None, as_json: bool
) -> None:
    """Carry a move on from the step at which it stands.

    A hook that was running when the driver crashed is run again. Nothing happens
    while another driver is at it; one that was killed counts as such for 15 s.

    \b
    Examples:
      homecell moves resume 5f2c9a7e41d04b7f

    \b
    Exit codes:
      0  the user has its new home
      1  the move was aborted, the user stays where it was
      2  there is no such move
      3  the move stays open, the user's writes are refused: the store cannot be
         reached, Ctrl-C or SIGTERM stopped it, or another driver carries it out
    """
    settings = load_settings(config_file)
    _insist_on_known(settings, operation)
    waits = Waits(hook_timeout_s, wait_s)
    move = drive(settings, waits, as_json, lambda mover: mover.drive(operation), operation)
    if as_json:
        say_json(document(move))
    else:
        click.echo(verdict(move))
    end(exit_code(move))


@command.command("abort")
@config_option
@click.argument("operation")
@click.option("--reason", default="aborted by an operator", show_default=True, help="Kept with the move.")
@json_option
def abort_move(config_file: Path | None, operation: str, reason: str, as_json: bool) -> None:
    """Give a move up: the user stays in the old cell, and may write again.

    It is taken from whoever carries it out. Not possible any more once it is
    verified: then it can only be resumed. What was copied stays in the target.

    \b
    Examples:
      homecell moves abort 5f2c9a7e41d04b7f --reason "target is full"

    \b
    Exit codes:
      0  the user is at home where it was
      2  there is no such move, or it is too late
      3  the move stays open, the user's writes are refused: the store cannot be
         reached, Ctrl-C or SIGTERM stopped it, or another driver carries it out
    """
    settings = load_settings(config_file)
    _insist_on_known(settings, operation)
    move = drive(settings, Waits(1), as_json, lambda mover: mover.give_up(operation, reason), operation)
    if as_json:
        say_json(document(move))
    else:
        click.echo(verdict(move))


def _insist_on_known(settings: Settings, operation: str) -> None:
    from proxy.cli.store import with_database

    if with_database(settings, lambda store: store.move(operation)) is None:
        mend = "see which there are: homecell moves list --all"
        raise UsageMistakeError(f"there is no move with the operation id {operation}", mend)


command.add_command(move_many)
