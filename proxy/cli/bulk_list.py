"""The list of users on disk or on standard input: looked through as a whole before anybody is moved."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Collection
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
    """users   how many lines ask for something
    digest  of the content: another list has another one
    """

    file: IO[bytes]
    users: int
    digest: str

    async def wishes(self) -> AsyncIterator[Wish]:
        """From its beginning."""
        self.file.seek(0)
        for line in self.file:
            wish = parse_line(line)
            if wish is not None:
                yield wish


def open_list(name: str, cells: Collection[str]) -> UserList:
    """The list in the file, or on standard input when it is `-`. Ends the command when a line is no wish, or
    names none of these cells."""
    file = _standard_input() if name == "-" else _open(Path(name))
    digest = sha256()
    users = 0
    mistakes: list[str] = []
    for number, line in enumerate(file, 1):
        digest.update(line)
        try:
            wish = parse_line(line)
            if wish is not None and wish.target and wish.target not in cells:
                raise BadLineError(f"there is no cell `{wish.target}`")
            users += wish is not None
        except BadLineError as error:
            mistakes.append(f"{name}:{number}: {error}")
            if len(mistakes) == _SHOWN:
                break
    if mistakes:
        raise UsageMistakeError("\n".join(["the list has mistakes", *mistakes]), "nobody was moved")
    return UserList(file, users, digest.hexdigest()[:_DIGEST_DIGITS])


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
