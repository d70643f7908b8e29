"""Reads a backup file block by block and believes none that is not sound. Blocks: for commands only."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, TypeVar

from lookup import backup_format as form
from lookup.assignment import Alias, Assignment, State
from lookup.backup_format import BackupError, Header, Summary
from lookup.flags import FlagRecord

T = TypeVar("T")

_NAMES: Final = {
    form.HEADER: "header",
    form.FLAGS: "flags",
    form.RECORDS: "records",
    form.ALIASES: "aliases",
    form.SUMMARY: "summary",
}
_ANOTHER: Final = "use another backup"


@dataclass(frozen=True, slots=True)
class Block:
    """Some records, or some aliases."""

    records: list[Assignment]
    aliases: list[Alias]


class BackupReader:
    """Use as a context manager. Raises BackupError for whatever is wrong with the file.

    header, flags     known as soon as `blocks` has given its first one, or has ended
    summary           known when `blocks` has ended
    read_bytes        how far the file was read, of `total_bytes`
    """

    header: Header
    flags: list[FlagRecord]
    summary: Summary

    def __init__(self, path: Path) -> None:
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise BackupError(f"{path}: {error.strerror}; name a backup file") from error
        self.total_bytes = os.fstat(self._file.fileno()).st_size
        self._path = path
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def blocks(self) -> Iterator[Block]:
        """Every record and alias, a block at a time, from the beginning each time. When it has ended without
        raising, the whole file was sound."""
        self._begin()
        self._first_line()
        self.header = self._decoded(form.HEADER, form.read_header)
        self.flags = self._decoded(form.FLAGS, form.read_flags)
        users: Counter[str] = Counter()
        moving = aliases = 0
        while self._next_kind() == form.RECORDS:
            records = self._decoded(form.RECORDS, form.read_records)
            users.update(record.cell for record in records)
            moving += sum(record.state is State.MOVING for record in records)
            yield Block(records, [])
        while self._next_kind() == form.ALIASES:
            some = self._decoded(form.ALIASES, form.read_aliases)
            aliases += len(some)
            yield Block([], some)
        digest = self._digest.hexdigest()
        self.summary = summary = self._decoded(form.SUMMARY, form.read_summary)
        if summary.checksum != digest:
            raise self._wrong(
                "the checksum of the whole is wrong: blocks were changed, left out or exchanged"
            )
        told = (summary.records, dict(summary.users), summary.moving, summary.aliases, summary.flags)
        if told != (users.total(), dict(users), moving, aliases, len(self.flags)):
            raise self._wrong("the summary tells of other records than there are")
        if self._read(1):
            raise self._wrong("something follows the summary")

    def _begin(self) -> None:
        self.read_bytes = 0
        self._block = 0
        self._block_at = 0
        self._kind = b""
        self._digest = blake2b(digest_size=32)

    def _first_line(self) -> None:
        self._seek_start()
        line = self._take(len(form.FIRST_LINE))
        if line == form.FIRST_LINE:
            return
        if line.startswith(form.FAMILY):
            version = line[len(form.FAMILY) :].split(b"\n")[0].decode(errors="replace")
            mend = "use the program version that wrote it"
            raise BackupError(f"{self._path}: a backup of format {version}, this program knows 1; {mend}")
        raise BackupError(f"{self._path}: no backup of Home Cell; correct the path")

    def _seek_start(self) -> None:
        try:
            self._file.seek(0)
        except OSError as error:
            raise BackupError(f"{self._path}: {error.strerror}; name a file, not a pipe") from error

    def _next_kind(self) -> bytes:
        """The kind of the next block, which stays to be read."""
        if not self._kind:
            self._block += 1
            self._block_at = self.read_bytes
            self._kind = self._read(1)
            if not self._kind:
                raise self._wrong("it ends here, and lacks its end")
        return self._kind

    def _decoded(self, kind: bytes, decode: Callable[[bytes], T]) -> T:
        """The next block, which must be of that kind. Its bytes count for the checksum of the whole."""
        found = self._next_kind()
        head = found + self._take(form.HEAD_BYTES - 1)
        length = int.from_bytes(head[1:], "big")
        if found not in _NAMES or length > form.MAX_BODY_BYTES:
            raise self._wrong("it is no block of a backup")
        body = self._take(length)
        crc = self._take(form.CRC_BYTES)
        if not form.is_sound(head, body, crc):
            raise self._wrong("its checksum is wrong")
        if found != kind:
            raise self._wrong(f"here are {_NAMES[found]}, and the {_NAMES[kind]} should be")
        for part in (head, body, crc):
            self._digest.update(part)
        self._kind = b""
        try:
            return decode(body)
        except ValueError as error:
            raise self._wrong(str(error)) from error

    def _take(self, count: int) -> bytes:
        data = self._read(count)
        if len(data) < count:
            raise self._wrong("it is cut short")
        if not self._block:
            self._digest.update(data)
        return data

    def _read(self, count: int) -> bytes:
        try:
            data = self._file.read(count)
        except OSError as error:
            raise BackupError(f"{self._path}: {error.strerror}; {_ANOTHER}") from error
        self.read_bytes += len(data)
        return data

    def _wrong(self, what: str) -> BackupError:
        where = f"block {self._block} at byte {self._block_at}" if self._block else "its first line"
        return BackupError(f"{self._path}: {where}: {what}; {_ANOTHER}")
