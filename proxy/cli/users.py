"""homecell users: where a user is at home, since when, and how it gets a home or another one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import (
    HELP_SETTINGS,
    NO,
    SummaryGroup,
    config_option,
    end,
    json_option,
    load_settings,
    pasteable,
    say_json,
)
from proxy.cli.moving import document, is_driven, resume_or_abort
from proxy.cli.records import home_document
from proxy.cli.tables import moment, show_table
from proxy.cli.user_alias import alias_user
from proxy.cli.user_heavy import show_heavy
from proxy.cli.user_move import UserKey, move_user
from proxy.cli.user_place import place_user

if TYPE_CHECKING:
    from lookup.assignment import Assignment
    from lookup.database import Database
    from lookup.moves import Move


@click.group("users", cls=SummaryGroup, context_settings=HELP_SETTINGS)
def command() -> None:
    """Show where users are at home, place and move them.

    \b
    Examples:
      homecell users show user:42
      homecell users place user:42
      homecell users move user:42 --to eu-west-1-cell-02 --copy-command ./copy-user.sh
      homecell users history user:42
      homecell users alias email:ann@example.org user:42
      homecell users heavy
    """


@command.command("show")
@config_option
@click.argument("user", type=UserKey())
@json_option
def show_user(config_file: Path | None, user: str, as_json: bool) -> None:
    """Show a user's home as the store has it, and its open move.

    \b
    Examples:
      homecell users show user:42
      homecell users show user:42 --json | jq -r .cell

    \b
    Exit codes:
      0  shown
      1  the user has no home
      3  the store cannot be reached
    """
    from proxy.cli.store import as_stored, with_database

    settings = load_settings(config_file)
    key = as_stored(settings, user)
    record, moves = with_database(settings, lambda store: _read(store, key))
    move = next((move for move in moves if not move.is_over), None)
    if record is None:
        if as_json:
            say_json({"key": key, "cell": None, "move": document(move) if move else None})
        click.echo(f"{user} has no home", err=True)
        end(NO)
    if as_json:
        say_json({**home_document(record), "move": document(move) if move else None})
        return
    if key != user:
        click.echo(f"{user} is kept as {key}")
    if record.key != key:
        click.echo(f"{user} names {record.key}")
    name = user if record.key == key else record.key
    click.echo(
        f"{name} is at home in {record.cell}, under the law of {record.jurisdiction}, "
        f"epoch {record.epoch} since {moment(record.updated_at_s)}"
    )
    names = [alias.key for alias in record.aliases if alias.key != key]
    if names:
        click.echo(f"named by {', '.join(sorted(names))}")
    if move is not None:
        operation = move.order.operation
        click.echo(f"it is being moved to {move.order.target}: {move.step} (operation {operation})")
        if not is_driven(move, time.time()):
            click.echo(pasteable(f"nobody carries the move on: {resume_or_abort(operation)}"))


async def _read(store: Database, user: str) -> tuple[Assignment | None, list[Move]]:
    record = (await store.read([user])).get(user)
    return record, list(await store.moves_of(user if record is None else record.key))


@command.command("history")
@config_option
@click.argument("user", type=UserKey())
@json_option
def show_history(config_file: Path | None, user: str, as_json: bool) -> None:
    """Show every home that a user had, with the operations that moved it.

    \b
    Examples:
      homecell users history user:42

    \b
    Exit codes:
      0  shown
      1  the user has no home
      3  the store cannot be reached
    """
    from proxy.cli.store import as_stored, with_database

    settings = load_settings(config_file)
    key = as_stored(settings, user)

    async def read(store: Database) -> tuple[list[Assignment], list[Move]]:
        return list(await store.past(key)), list(await store.moves_of(key))

    past, moves = with_database(settings, read)
    if as_json:
        say_json([{**home_document(record), "operation": _operation_of(record, moves)} for record in past])
    elif past:
        show_table(
            ("EPOCH", "SINCE", "CELL", "STATE", "TO", "OPERATION"),
            [
                (
                    str(record.epoch),
                    moment(record.updated_at_s),
                    record.cell,
                    record.state.name.lower(),
                    record.moved_to or "-",
                    _operation_of(record, moves) or "-",
                )
                for record in past
            ],
        )
    if not past:
        click.echo(f"{user} has no home", err=True)
        end(NO)


def _operation_of(record: Assignment, moves: list[Move]) -> str:
    """The operation that wrote the record: one begins at an epoch and writes the one or two that follow."""
    for move in moves:
        if move.epoch < record.epoch <= move.epoch + 2:
            return move.order.operation
    return ""


command.add_command(move_user)
command.add_command(alias_user)
command.add_command(place_user)
command.add_command(show_heavy)
