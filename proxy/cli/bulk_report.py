"""Keeps count of a move of many users, and says at its end what came of it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Literal

import click

from lookup.move_fates import FAILURES, Ending, Fate
from lookup.move_list import Wish, format_line
from proxy.cli.answers import UsageMistakeError, pasteable

_SHOWN: Final = 20


class Tally:
    """Hears of each user. Keeps the first few failures.

    failures_file  gets all of them, as they come, instead of what is in it
    moved_file     gets who was moved, with the cell that it left, below what earlier runs have put there
    hooks          the options that say what copies, as one types them
    targets        the cells of --to, which the file of failures does not name
    """

    def __init__(
        self,
        operation: str,
        failures_file: Path | None,
        moved_file: Path | None = None,
        hooks: str = "--no-copy",
        targets: Sequence[str] = (),
    ) -> None:
        self.fates: Counter[Fate] = Counter()
        self.to: Counter[str] = Counter()
        self.first_failures: list[Ending] = []
        self._path = failures_file
        self._moved_path = moved_file
        self._hooks = hooks
        self._targets = targets
        head = f"moved by operation {operation}"
        self._file = _open(failures_file, "w", "--failures", f"# not {head}\n") if failures_file else None
        self._moved_file = _open(moved_file, "a", "--moved", f"# {head}\n") if moved_file else None

    @property
    def failures(self) -> int:
        """Users who are not where they should be."""
        return sum(self.fates[fate] for fate in FAILURES)

    def hear(self, ending: Ending) -> None:
        """One user's end."""
        self.fates[ending.fate] += 1
        if ending.fate is Fate.MOVED:
            self.to[ending.target] += 1
            if self._moved_file is not None:
                home = Wish(ending.wish.key, ending.source)
                _write(self._moved_file, format_line(home, f"moved to {ending.target}"))
        if ending.fate in FAILURES:
            if len(self.first_failures) < _SHOWN:
                self.first_failures.append(ending)
            if self._file is not None:
                _write(self._file, format_line(ending.wish, ending.reason))

    def close(self) -> None:
        """No more come."""
        for file in (self._file, self._moved_file):
            if file is not None:
                file.close()

    def show(self) -> None:
        """On the terminal."""
        show_targets("moved", self.to)
        if self._moved_path and self.to:
            back = f"homecell moves bulk {shlex.quote(str(self._moved_path))} {self._hooks}"
            click.echo(f"to bring them back: {pasteable(back)}")
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
            to = f" --to {','.join(self._targets)}" if self._targets else ""
            again = f"homecell moves bulk {shlex.quote(str(self._path))}{to} {self._hooks}"
            click.echo(f"to try these again: {pasteable(again)}")

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


def _open(path: Path, mode: Literal["w", "a"], option: str, head: str) -> IO[str]:
    try:
        file = path.open(mode, encoding="utf-8")
    except OSError as error:
        raise UsageMistakeError(f"{path}: {error.strerror}", f"choose another file for {option}") from error
    _write(file, head)
    return file


def _write(file: IO[str], line: str) -> None:
    file.write(line)
    file.flush()


def show_targets(what: str, to: Mapping[str, int]) -> None:
    """`3 users moved: 2 to eu-2, 1 to eu-3`."""
    each = ", ".join(f"{count:,} to {name}" for name, count in sorted(to.items()))
    click.echo(f"{users(sum(to.values()))} {what}" + (f": {each}" if each else ""))


def users(count: int) -> str:
    """`1 user`, `2,000 users`."""
    return "1 user" if count == 1 else f"{count:,} users"
