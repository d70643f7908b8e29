"""homecell cells flag: sets a cell's flag in the store, and tells how far the workers have followed."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lookup.flags import Flag, FlagRecord
from proxy.cli.answers import (
    NO,
    UnreachableError,
    UsageMistakeError,
    config_option,
    end,
    json_option,
    load_settings,
    pasteable,
    say_json,
)
from proxy.cli.completion import cell_names
from proxy.cli.durations import Duration
from proxy.cli.login import login_name
from proxy.cli.tables import address, moment, span

if TYPE_CHECKING:
    from proxy.cli.acknowledgement import Acknowledged
    from proxy.config import Settings

_LONGEST_TEXT: Final = 500


@click.command("flag")
@config_option
@click.argument("name", shell_complete=cell_names)
@click.argument("flag", type=click.Choice([flag.value for flag in Flag]))
@click.option("--reason", default="", help="Why; shown to everybody who asks. Needed for down.")
@click.option("--author", default="", help="Who decides it.  [default: the name you logged in with]")
@click.option(
    "--expires-in",
    type=Duration(),
    help="Serve again by itself after this time: 90s, 15m, 2h, 1d; a bare number is seconds.",
)
@json_option
def flag_cell(
    config_file: Path | None,
    name: str,
    flag: str,
    reason: str,
    author: str,
    expires_in: int | None,
    as_json: bool,
) -> None:
    """Take a cell out of service (down), or put it back (serving).

    The flag is stored, so that it holds over restarts, and every edge follows
    it within a second. The command then waits, at most 2 s, until the workers
    of the config's edge say that they apply it.

    \b
    Examples:
      homecell cells flag eu-west-1-cell-01 down --reason "disk full"
      homecell cells flag eu-west-1-cell-01 down --reason "upgrade" --expires-in 30m
      homecell cells flag eu-west-1-cell-01 serving --reason "disk replaced"

    \b
    Exit codes:
      0  stored, and applied by every worker
      1  stored, and not yet applied by some worker
      2  wrong usage, nothing was stored
      3  the store cannot be reached; or stored, and the admin port cannot be asked
    """
    _check_flag(flag, reason, author, expires_in)
    settings = load_settings(config_file)
    known = [str(cell.name) for cell in settings.cells]
    if name not in known:
        from proxy.config.findings import choose

        raise UsageMistakeError(f"there is no cell `{name}` in {settings.cells_file}", choose(name, known))
    from proxy.cli.store import with_store

    now_s = time.time()
    expires_at_s = None if expires_in is None else now_s + expires_in
    by = author or login_name()
    record = with_store(
        settings,
        lambda store: store.set_flag(
            name, Flag(flag), reason=reason, author=by, now_s=now_s, expires_at_s=expires_at_s
        ),
    )
    _tell_how_far(settings, record, as_json)


def _check_flag(flag: str, reason: str, author: str, expires_in: int | None) -> None:
    if flag == Flag.DOWN and not reason.strip():
        mend = 'add e.g. --reason "disk full": somebody will ask at night'
        raise UsageMistakeError("taking a cell down needs a reason", mend)
    if flag == Flag.SERVING and expires_in is not None:
        mend = "leave --expires-in away, or flag the cell down for that time"
        raise UsageMistakeError("serving needs no expiry: it is what holds after one", mend)
    for option, text in (("--reason", reason), ("--author", author)):
        if len(text) > _LONGEST_TEXT or (text and not text.isprintable()):
            mend = f"use one line of at most {_LONGEST_TEXT} printable characters"
            raise UsageMistakeError(f"{option} is too long or has control characters", mend)


def _tell_how_far(settings: Settings, record: FlagRecord, as_json: bool) -> None:
    from proxy.cli.acknowledgement import (
        WAIT_S,
        Meant,
        ask_workers,
        wait_until_applied,
    )
    from proxy.cli.admin_port import AdminUnreachableError

    meant = Meant(settings.edge.name, settings.store.place)
    state: Acknowledged | None = None
    trouble = ""
    try:
        state = wait_until_applied(
            record, lambda: ask_workers(settings.edge.admin, meant), time.monotonic, time.sleep
        )
    except AdminUnreachableError as error:
        trouble = str(error)
    if as_json:
        told = {name: value for name, value in asdict(record).items() if name != "unknown"}
        say_json({**told, "acknowledged": asdict(state) if state else None})
    else:
        until = "" if record.expires_at_s is None else f" until {moment(record.expires_at_s)}"
        click.echo(
            f"{record.cell} is flagged {record.flag}{until}, by {record.author} (version {record.version})"
        )
        if state is not None:
            click.echo(acknowledgement_text(state, settings.edge.name))
        if record.flag is Flag.DOWN:
            click.echo(pasteable(f"to put it back: homecell cells flag {record.cell} serving"))
    if state is None:
        admin = address(settings.edge.admin)
        message = f"the flag is stored, but {settings.edge.name} could not be asked at {admin}: {trouble}"
        mend = "edges on that store follow it within a second; one that starts reads it"
        raise UnreachableError(message, mend)
    if not state.complete:
        text = f"warning: not applied by every worker within {WAIT_S:g} s; who can't reach the store follows"
        ready = f"http://{address(settings.edge.admin)}/-/ready"
        click.secho(f"{text} when it can, see {ready}", fg="yellow", err=True)
    end(0 if state.complete else NO)


def acknowledgement_text(state: Acknowledged, edge: str) -> str:
    """How far it got in the edge that was asked; of the others nobody is asked."""
    workers = "1 worker" if state.workers == 1 else f"{state.workers} workers"
    slowest = f", slowest {span(state.slowest_s)}" if state.applied else ""
    told = f"applied on {state.applied} of {workers} of {edge}{slowest}"
    return f"{told}; other edges on that store follow within a second"
