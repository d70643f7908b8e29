"""What one can choose of a move, alike for one user and for many."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import click

from proxy.cli.answers import UsageMistakeError
from proxy.cli.hook_commands import runnable_hook
from proxy.cli.login import login_name
from proxy.cli.moving import Waits, wait_options


@dataclass(frozen=True, slots=True)
class MoveChoices:
    """The options of move_options.

    copy_hook  "" with no_copy, or when nothing was said of copying
    force      also into cells that the running edge does not list
    """

    copy_hook: str
    no_copy: bool
    verify_hook: str
    author: str
    reason: str
    waits: Waits
    force: bool

    @property
    def hooks_as_typed(self) -> str:
        """The options that say what copies and verifies, for a command that somebody is to type."""
        copying = ["--copy-command", self.copy_hook] if self.copy_hook else ["--no-copy"]
        verifying = ["--verify-command", self.verify_hook] if self.verify_hook else []
        return shlex.join(copying + verifying)

    def insist_on_clear_copying(self) -> None:
        """End the command if it did not say what copies the users' bytes."""
        if bool(self.copy_hook) is self.no_copy:
            mend = "give --copy-command, or --no-copy when there is nothing in the old cell"
            raise UsageMistakeError("it must be clear what copies the user's bytes", mend)


def move_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every command that begins moves; the command gets them as `choices`, a MoveChoices."""

    @wraps(command)
    def run(
        copy_hook: str,
        no_copy: bool,
        verify_hook: str,
        author: str,
        reason: str,
        hook_timeout_s: int,
        wait_s: int | None,
        force: bool,
        **rest: object,
    ) -> None:
        waits = Waits(hook_timeout_s, wait_s)
        by = author or login_name()
        choices = MoveChoices(copy_hook, no_copy, verify_hook, by, reason, waits, force)
        command(choices=choices, **rest)

    for option in (
        click.option("--force", is_flag=True, help="Also to a cell that the running edge does not list yet."),
        click.option("--author", default="", help="Who decides it.  [default: the name you logged in with]"),
        click.option("--reason", default="", help="Kept with the move."),
        click.option(
            "--verify-command",
            "verify_hook",
            default="",
            callback=runnable_hook,
            help="What looks whether all has arrived.",
        ),
        click.option("--no-copy", is_flag=True, help="There is nothing to copy."),
        click.option(
            "--copy-command",
            "copy_hook",
            default="",
            callback=runnable_hook,
            help="What copies the user's bytes: a command, or a URL; `homecell users move --help` says what "
            "it is told.",
        ),
    ):
        run = option(run)
    return wait_options(run)
