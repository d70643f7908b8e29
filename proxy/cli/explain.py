"""homecell explain: why a user's requests go where they go, step by step."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.answers import (
    HELP_SETTINGS,
    NO,
    OK,
    UsageMistakeError,
    config_option,
    end,
    json_option,
    load_config,
    say_json,
)

if TYPE_CHECKING:
    from lookup.ports import FeedingStore
    from proxy.cli.explanation import Explanation, Question
    from proxy.config import Settings

_METHODS: Final = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


@click.command("explain", context_settings=HELP_SETTINGS)
@config_option
@click.argument("key", required=False, default="")
@click.option("--token", default="", help="Bearer token to judge; `-` reads it from standard input.")
@click.option("--method", type=click.Choice(_METHODS, case_sensitive=False), default="GET", show_default=True)
@click.option("--path", default="/", show_default=True, help="Path of the request; it selects the route.")
@json_option
def command(config_file: Path | None, key: str, token: str, method: str, path: str, as_json: bool) -> None:
    """Say why a user's requests go where they go.

    KEY is the user, e.g. user:42; with --token it is read from the token. The
    way through the edge of the config is walked with the proxy's own code,
    against the store as it is now. A running edge may remember an older answer
    of the store for `lookup.refresh_s`, unless the change feed corrected it.
    A running edge that does not list the cell yet, or gets no answer from it, the
    last step tells; nothing is sent to the cell. While the user is being moved,
    `move` says what becomes of safe and of unsafe methods (--method).

    \b
    Examples:
      homecell explain user:42
      homecell explain user:42 --config configs/us-edge.yaml
      homecell explain --token "$TOKEN" --method POST --path /orders
      homecell explain user:42 --json | jq -r .cell

    \b
    Exit codes:
      0  the request would be forwarded to the user's home cell
      1  it would not: the last step says why; also where a signed claim sends it
         to another cell than the store's, or the running edge gets no answer there
      2  wrong usage or config
      3  the store cannot be reached
    """
    named = _named_key(key, token)
    settings = load_config(config_file, keys=bool(token)).settings
    if not path.startswith("/"):
        raise UsageMistakeError(f"{path!r} is no path", "write e.g. --path /orders")
    from proxy.cli.explanation import Question
    from proxy.cli.store import as_stored, with_store

    text = sys.stdin.read().strip() if token == "-" else token
    if not text.isascii():
        raise UsageMistakeError("the token is not ASCII text", "give the token as the client sends it")
    if named:
        as_stored(settings, named)
    question = Question(named, text, method.upper(), path)
    told = with_store(settings, lambda store: _walk(settings, store, question))
    _compare(settings, told)
    if told.key and named and told.key != named:
        raise UsageMistakeError(f"the token is for {told.key}, not for {named}", f"ask for {told.key}")
    if as_json:
        say_json({**asdict(told), "edge": settings.edge.name})
    else:
        _show(told, f"{method.upper()} {path} at {settings.edge.name}")
    end(OK if told.served else NO)


async def _walk(settings: Settings, store: FeedingStore, question: Question) -> Explanation:
    from proxy.cli.walk import Walk

    await store.flags()  # out of reach, it ends the command; the walk would only say what a worker does then
    return await Walk(settings, store, question, time.time()).explain()


def _compare(settings: Settings, told: Explanation) -> None:
    """The walk went by the cells file as it is; a running edge goes by what it was when the edge started, and
    knows whether the cell answers."""
    from proxy import errors
    from proxy.cli.listing import RESTART, not_listed, unanswering_cells, unlisted_cells

    cell = told.cell
    if cell and cell in unlisted_cells(settings):
        told.served, told.cell = False, ""
        told.ends("running", not_listed(settings, cell), RESTART, errors.HOME_NOT_LISTED)
    elif cell and told.steps[-1].room == "endpoint" and cell in unanswering_cells(settings):
        told.does_not_answer(settings.edge.name)


def _named_key(key: str, token: str) -> str:
    from lookup.keys import InvalidKeyError, is_hash, parse_key

    if not key and not token:
        raise UsageMistakeError("whose requests?", "name a user, e.g. user:42, or give --token")
    if key.isalnum():
        raise UsageMistakeError(f"{key!r} has no kind", f"did you mean `user:{key}`?")
    try:
        return key if not key or is_hash(key) else parse_key(key)
    except InvalidKeyError as error:
        raise UsageMistakeError(str(error), "e.g. homecell explain user:42") from error


def _show(told: Explanation, request: str) -> None:
    click.echo(f"{click.style(told.key or 'nobody', bold=True)}: {request}\n")
    for step in told.steps:
        mark = click.style("ok", fg="green") if step.passed else click.style("no", fg="red", bold=True)
        click.echo(f"  {mark}  {step.room:<10} {step.says}")
        click.echo(f"                 {click.style(step.rule, dim=True)}")
    click.echo(f"\nThe client gets {click.style(told.client_gets, bold=True)}")
