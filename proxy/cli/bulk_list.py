"""The list of users on disk or on standard input: looked through as a whole before anybody is moved."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from lookup.move_list import BadLineError, Wish, parse_line
from proxy.cli.answers import UsageMistakeError

_SHOWN: Final = 5
_DIGEST_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class UserList:
    """users     how many are asked for
    digest    of the content: another list has another one
    repeated  the numbers of lines that ask for the same as one above them
    """

    file: IO[bytes]
    users: int
    digest: str
    repeated: Set[int]

    async def wishes(self) -> AsyncIterator[Wish]:
        """From its beginning."""
        self.file.seek(0)
        for number, line in enumerate(self.file, 1):
            wish = parse_line(line)
            if wish is not None and number not in self.repeated:
                yield wish


def open_list(name: str, cells: Collection[str]) -> UserList:
    """The list in the file, or on standard input when it is `-`. Ends the command when a line is no wish,
    names none of these cells, or wants a user elsewhere than a line above it."""
    file = _standard_input() if name == "-" else _open(Path(name))
    digest = sha256()
    lines = _Lines(cells)
    mistakes: list[str] = []
    for number, line in enumerate(file, 1):
        digest.update(line)
        try:
            lines.take(number, parse_line(line))
        except BadLineError as error:
            mistakes.append(f"{name}:{number}: {error}")
            if len(mistakes) == _SHOWN:
                break
    if mistakes:
        raise UsageMistakeError("\n".join(["the list has mistakes", *mistakes]), "nobody was moved")
    return UserList(file, len(lines.first), digest.hexdigest()[:_DIGEST_DIGITS], lines.repeated)


class _Lines:
    """The lines so far: for each key the number of its first one, and the cell that this one names."""

    def __init__(self, cells: Collection[str]) -> None:
        self.first: dict[str, tuple[int, str]] = {}
        self.repeated: set[int] = set()
        self._cells = cells

    def take(self, number: int, wish: Wish | None) -> None:
        """One more. Raises BadLineError."""
        if wish is None:
            return
        if wish.target and wish.target not in self._cells:
            raise BadLineError(f"there is no cell `{wish.target}`")
        above, target = self.first.setdefault(wish.key, (number, wish.target))
        if target != wish.target:
            here, there = (cell or "any cell" for cell in (wish.target, target))
            raise BadLineError(f"{wish.key} is to go to {here} here, and by line {above} to {there}")
        if above != number:
            self.repeated.add(number)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageMistakeError(f"{path}: {error.strerror}", "") from error


def _standard_input() -> IO[bytes]:
    """Kept on disk: it is read twice, and may be longer than memory is large."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 -- open as long as the command runs
    shutil.copyfileobj(sys.stdin.buffer, kept)
    kept.seek(0)
    return kept
