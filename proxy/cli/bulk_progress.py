"""Shows how far a move of many users is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import click

from lookup.move_fates import Fate
from proxy.cli.bulk_report import Tally

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_LINE_EVERY_S: Final = 5.0


class Progress(Protocol):
    """Told after each user. Writes to standard error, where it does not disturb what a script reads."""

    def expect(self, total: int) -> None:
        """So many users are to be gone through."""

    def show(self, tally: Tally) -> None:
        """Some users are through."""

    def close(self) -> None:
        """No more come."""


def progress_for(quiet: bool) -> Progress:
    """What suits the terminal."""
    if quiet:
        return NoProgress()
    return BarProgress() if sys.stderr.isatty() else LineProgress(time.monotonic)


class NoProgress:
    """Says nothing."""

    def expect(self, total: int) -> None:
        """Nothing."""

    def show(self, tally: Tally) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class BarProgress:
    """A bar that is drawn anew in its place."""

    def __init__(self) -> None:
        self._bar = _bar()
        self._task = self._bar.add_task("", total=None, said="")
        self._bar.start()

    def expect(self, total: int) -> None:
        """Progress.expect."""
        self._bar.update(self._task, total=total)

    def show(self, tally: Tally) -> None:
        """Progress.show."""
        self._bar.update(self._task, completed=tally.fates.total(), said=_counts(tally))

    def close(self) -> None:
        """Progress.close."""
        self._bar.stop()


class LineProgress:
    """A line every few seconds. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._of = ""
        self._clock = clock
        self._begun_s = self._told_s = clock()
        self._told_users = 0

    def expect(self, total: int) -> None:
        """Progress.expect."""
        self._of = f" of {total:,}"

    def show(self, tally: Tally) -> None:
        """Progress.show."""
        now_s = self._clock()
        if now_s - self._told_s < _LINE_EVERY_S:
            return
        done = tally.fates.total()
        per_s = (done - self._told_users) / (now_s - self._told_s)
        self._told_s, self._told_users = now_s, done
        passed_s = now_s - self._begun_s
        click.echo(f"{passed_s:.0f} s: {done:,}{self._of} users, {_counts(tally)}, {per_s:.0f}/s", err=True)

    def close(self) -> None:
        """Progress.close."""


def _counts(tally: Tally) -> str:
    return f"{tally.fates[Fate.MOVED]:,} moved, {tally.failures:,} not"


def _bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
