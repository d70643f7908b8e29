"""Writes a backup file: beside the old one, and put in its place at the end. Blocks: for commands only."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from lookup import backup_format as form
from lookup.assignment import Alias, Assignment, State
from lookup.backup_format import BackupError, Header, Summary
from lookup.flags import FlagRecord

_DRAFT_SUFFIX: Final = ".partial"


class BackupWriter:
    """Use as a context manager: `begin`, `flags`, any number of `records` and `aliases`, then `finish`.

    Without `finish`, or when anything is raised, the draft goes, and a former file of that name stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(path.name + _DRAFT_SUFFIX)
        self._file: IO[bytes]
        self._digest = blake2b(digest_size=32)
        self._users: Counter[str] = Counter()
        self._moving = 0
        self._aliases = 0
        self._flags = 0
        self._is_finished = False

    def __enter__(self) -> Self:
        if self._path.exists() and not self._path.is_file():  # it would be replaced: a device, for everybody
            raise BackupError(f"{self._path}: it is there and no file; name a file")
        try:
            self._file = _claim(self._draft)
        except BlockingIOError as error:
            raise BackupError(f"{self._draft}: another backup is being written there; wait for it") from error
        except OSError as error:
            mend = "name a file in a folder that is there and may be written to"
            raise BackupError(f"{self._draft}: {error.strerror}; {mend}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            if not self._is_finished:
                self._draft.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a full disk was told of already
            self._file.close()

    def begin(self, header: Header) -> None:
        """First of all."""
        self._put(form.FIRST_LINE)
        self._put(form.header_block(header))

    def flags(self, flags: Sequence[FlagRecord]) -> None:
        """All flags, once."""
        self._flags = len(flags)
        self._put(form.flags_block(flags))

    def records(self, records: Sequence[Assignment]) -> None:
        """Some more records."""
        for start in range(0, len(records), form.BLOCK_RECORDS):
            some = records[start : start + form.BLOCK_RECORDS]
            self._users.update(record.cell for record in some)
            self._moving += sum(record.state is State.MOVING for record in some)
            self._put(form.records_block(some))

    def aliases(self, aliases: Sequence[Alias]) -> None:
        """Some more aliases, behind all records."""
        for start in range(0, len(aliases), form.BLOCK_RECORDS):
            self._put(form.aliases_block(aliases[start : start + form.BLOCK_RECORDS]))
        self._aliases += len(aliases)

    def finish(self, now_s: float) -> Summary:
        """Put the file in its place, durably."""
        summary = Summary(
            now_s,
            self._users.total(),
            dict(sorted(self._users.items())),
            self._moving,
            self._aliases,
            self._flags,
            self._digest.hexdigest(),
        )
        with self._disk():
            self._file.write(form.summary_block(summary))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._draft.replace(self._path)
            self._is_finished = True
            _sync_folder(self._path.parent)
        return summary

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        with self._disk():
            self._file.write(data)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupError(f"{self._draft}: {error.strerror}; make room, or name another disk") from error


def _claim(draft: Path) -> IO[bytes]:
    """The draft, empty and ours alone; what a killed backup left there is overwritten."""
    while True:
        file = os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if draft.stat().st_ino == os.fstat(file.fileno()).st_ino:
                    file.truncate(0)
                    return file
        except BaseException:
            file.close()
            raise
        file.close()  # another backup was finished meanwhile, and this was its file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
