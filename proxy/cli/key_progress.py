"""Shows how many keys are done: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY_S: Final = 5.0


@contextmanager
def key_progress(what: str, total: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Gives what to tell how many keys are done; `total` of them, None when nobody knows.

    Writes to standard error, where it does not disturb what a script reads.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield LinePrinter(what, total, time.monotonic).show


class LinePrinter:
    """A line every few seconds. `clock` gives seconds that only grow."""

    def __init__(self, what: str, total: int | None, clock: Callable[[], float]) -> None:
        self._what = what
        self._of = "" if total is None else f" of {total:,}"
        self._clock = clock
        self._begun_s = self._told_s = clock()
        self._told_keys = 0

    def show(self, done: int) -> None:
        """So many keys are done."""
        now_s = self._clock()
        if now_s - self._told_s < _LINE_EVERY_S:
            return
        per_s = (done - self._told_keys) / (now_s - self._told_s)
        self._told_s, self._told_keys = now_s, done
        passed_s = now_s - self._begun_s
        click.echo(f"{self._what}: {done:,}{self._of} keys after {passed_s:.0f} s, {per_s:,.0f}/s", err=True)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
