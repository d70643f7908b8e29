"""homecell users move: checks what was asked for, then drives the move and tells of each step."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from proxy.cli.answers import UsageMistakeError, config_option, end, json_option, load_settings, say_json
from proxy.cli.completion import cell_names
from proxy.cli.move_options import MoveChoices, move_options
from proxy.cli.moving import document, drive, exit_code, verdict

if TYPE_CHECKING:
    from lookup.assignment import Assignment
    from lookup.database import Database
    from lookup.flags import FlagRecord
    from lookup.mover import Mover
    from lookup.moves import Move, MoveOrder
    from proxy.config import Settings
    from proxy.model import Cell

_OPERATION_BYTES: Final = 8


class UserKey(click.ParamType[str, str]):
    """A routing key, as `user:42`, or the hash of one; `as_stored` makes of it what the store has."""

    name = "user"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from lookup.keys import InvalidKeyError, is_hash, parse_key

        try:
            return str(value) if is_hash(str(value)) else parse_key(str(value))
        except InvalidKeyError as error:
            self.fail(str(error), param, ctx)


@click.command("move")
@config_option
@click.argument("user", type=UserKey())
@click.option("--to", "target", required=True, shell_complete=cell_names, help="The new home cell.")
@click.option("--operation", default="", help="To ask for the same move again.")
@move_options
@json_option
def move_user(
    config_file: Path | None, user: str, target: str, operation: str, choices: MoveChoices, as_json: bool
) -> None:
    """Move a user to another cell, while it is being served.

    The user's writes get 503 with Retry-After from the first step to the last,
    reads go to the old cell. Copying begins when every worker has acknowledged
    that, and what it had sent before is over. When a hook fails, or a worker does
    not answer, the move is given up and the user stays.

    Commands are run without a shell, and get HOMECELL_KEY, HOMECELL_SOURCE,
    HOMECELL_TARGET, HOMECELL_EPOCH, HOMECELL_OPERATION, HOMECELL_STEP and
    HOMECELL_ATTEMPT in their environment; a URL (http:// or https://) gets the same
    as JSON by POST, and answers 200 or 204 when done. After a crash a hook may be
    run again, also beside the run before: it must be one that can be repeated, and
    of two runs the one with the higher HOMECELL_ATTEMPT counts.

    \b
    Examples:
      homecell users move user:42 --to eu-west-1-cell-02 --copy-command ./copy-user.sh
      homecell users move user:42 --to eu-west-1-cell-02 --no-copy --operation ticket-7

    \b
    Exit codes:
      0  the user has its new home
      1  the move was given up, the user stays where it was
      2  wrong usage, nothing was begun
      3  the move stays open, the user's writes are refused until it is resumed or
         aborted: the store cannot be reached, Ctrl-C or SIGTERM stopped it, or
         another driver carries it out
    """
    from proxy.cli.store import as_stored

    choices.insist_on_clear_copying()
    settings = load_settings(config_file)
    cell = find_cell(settings, target)
    user = as_stored(settings, user)
    order = _order(operation or secrets.token_hex(_OPERATION_BYTES), user, target, choices)
    known = _known_or_welcome(settings, order, cell, force=choices.force)
    move = drive(settings, choices.waits, as_json, lambda mover: _begin_and_drive(mover, order))
    if as_json:
        say_json(document(move))
    else:
        done = known is not None and known.is_over
        again = f"; operation {order.operation} was over already, nothing was done now" if done else ""
        click.echo(f"{verdict(move)}{again}")
    end(exit_code(move))


def _order(operation: str, user: str, target: str, choices: MoveChoices) -> MoveOrder:
    from lookup.moves import MoveOrder

    hooks = (choices.copy_hook, choices.verify_hook)
    return MoveOrder(operation, user, target, *hooks, choices.author, choices.reason)


def find_cell(settings: Settings, name: str) -> Cell:
    """The cell of that name; ends the command when there is none."""
    for cell in settings.cells:
        if cell.name == name:
            return cell
    from proxy.config.findings import choose

    known = [str(cell.name) for cell in settings.cells]
    raise UsageMistakeError(f"there is no cell `{name}` in {settings.cells_file}", choose(name, known))


def insist_on_permitted(settings: Settings, jurisdiction: str, cell: Cell) -> None:
    """End the command if users under that law may not live in the cell."""
    from lookup.residency import objection
    from proxy.wiring import placement_plan

    found = objection(placement_plan(settings), jurisdiction, cell.name)
    if found is not None:
        raise UsageMistakeError(found.what, found.mend)


def insist_on_serving(flags: Mapping[str, FlagRecord], cell: str, insisting: str = "") -> None:
    """End the command if the cell takes nobody new; `insisting` says how to have it nevertheless."""
    from lookup.placer import closed_cells

    if cell in closed_cells(flags, time.time()):
        mend = f"choose another cell, or put it back: homecell cells flag {cell} serving{insisting}"
        raise UsageMistakeError(f"{cell} is flagged {flags[cell].shown}: {flags[cell].reason}", mend)


def _known_or_welcome(settings: Settings, order: MoveOrder, cell: Cell, *, force: bool) -> Move | None:
    """The move if it is known: it is not judged again, what was asked for stays asked for. Ends the command
    if the cell may not have the user."""
    from proxy.cli.listing import insist_on_listed
    from proxy.cli.store import with_database

    async def read(store: Database) -> tuple[Move | None, Assignment | None, Mapping[str, FlagRecord]]:
        known = await store.move(order.operation)
        record = (await store.read([order.key])).get(order.key)
        return known, record, await store.flags()

    known, record, flags = with_database(settings, read)
    if known is not None:
        return known
    if record is None:
        mend = f"give it one: homecell users place {order.key} --cell {cell.name}"
        raise UsageMistakeError(f"{order.key} has no home to move from", mend)
    if record.moved_to:
        mend = "see which move it is, and resume or abort it: homecell moves list"
        raise UsageMistakeError(f"{order.key} is being moved to {record.moved_to}", mend)
    insist_on_permitted(settings, record.jurisdiction, cell)
    insist_on_serving(flags, cell.name)
    if not force:
        insist_on_listed(settings, cell.name)
    return None


async def _begin_and_drive(mover: Mover, order: MoveOrder) -> Move:
    move = await mover.begin(order)
    return move if move.is_over else await mover.drive(order.operation)
