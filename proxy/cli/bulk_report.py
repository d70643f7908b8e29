"""Keeps count of a move of many users, and says at its end what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import click

from lookup.move_fates import FAILURES, Ending, Fate
from lookup.move_list import format_line
from proxy.cli.answers import UsageMistakeError

_SHOWN: Final = 20


class Tally:
    """Hears of each user. Keeps the first few failures; all go to `failures_file`, as they come."""

    def __init__(self, operation: str, failures_file: Path | None) -> None:
        self.fates: Counter[Fate] = Counter()
        self.to: Counter[str] = Counter()
        self.first_failures: list[Ending] = []
        self._path = failures_file
        self._file = _create(failures_file, operation) if failures_file else None

    @property
    def failures(self) -> int:
        """Users who are not where they should be."""
        return sum(self.fates[fate] for fate in FAILURES)

    def hear(self, ending: Ending) -> None:
        """One user's end."""
        self.fates[ending.fate] += 1
        if ending.fate is Fate.MOVED:
            self.to[ending.target] += 1
        if ending.fate in FAILURES:
            if len(self.first_failures) < _SHOWN:
                self.first_failures.append(ending)
            if self._file is not None:
                self._file.write(format_line(ending.wish, ending.reason))
                self._file.flush()

    def close(self) -> None:
        """No more come."""
        if self._file is not None:
            self._file.close()

    def show(self) -> None:
        """On the terminal."""
        show_targets("moved", self.to)
        if there := self.fates[Fate.THERE]:
            click.echo(f"{users(there)} had nothing to do: at home there already")
        if not self.failures:
            return
        click.echo(f"{users(self.failures)} not moved:")
        for ending in self.first_failures:
            click.echo(f"  {ending.wish.key}  {ending.reason}")
        more = self.failures - len(self.first_failures)
        if more:
            click.echo(f"  and {more:,} more" + ("" if self._path else "; --failures FILE keeps them all"))
        if self._path:
            click.echo(f"to try these again: homecell moves bulk {self._path} ...")

    def document(self) -> dict[str, object]:
        """For --json."""
        return {
            "moved": dict(self.to),
            "there": self.fates[Fate.THERE],
            "refused": self.fates[Fate.REFUSED],
            "given_up": self.fates[Fate.GIVEN_UP],
            "open": self.fates[Fate.OPEN],
            "failures": [_failure(ending) for ending in self.first_failures],
        }


def _failure(ending: Ending) -> dict[str, object]:
    return {
        "key": ending.wish.key,
        "target": ending.target,
        "fate": ending.fate.value,
        "reason": ending.reason,
    }


def _create(path: Path, operation: str) -> IO[str]:
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageMistakeError(f"{path}: {error.strerror}", "choose another file for --failures") from error
    file.write(f"# not moved by operation {operation}\n")
    return file


def show_targets(what: str, to: Mapping[str, int]) -> None:
    """`3 users moved: 2 to eu-2, 1 to eu-3`."""
    each = ", ".join(f"{count:,} to {name}" for name, count in sorted(to.items()))
    click.echo(f"{users(sum(to.values()))} {what}" + (f": {each}" if each else ""))


def users(count: int) -> str:
    """`1 user`, `2,000 users`."""
    return "1 user" if count == 1 else f"{count:,} users"
