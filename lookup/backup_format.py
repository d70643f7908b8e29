"""A backup as bytes: a first line, then blocks, each with its kind, length and checksum. Does no I/O.

    HOMECELL-BACKUP 1\n
    H  header, JSON                    first and once
    F  flags, JSON                     once
    R  records, zlib of JSON           any number of them, at most BLOCK_RECORDS each
    A  aliases, zlib of JSON           likewise, behind all records
    S  summary, JSON                   last and once; it has the checksum of every byte before it

A block is its kind (1 byte), the length of its body (4 bytes, big end first), the body, and the CRC-32 of
all that (4 bytes). Records are spelled column by column, which is short and quick.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lookup.assignment import Alias, Assignment, State
from lookup.flags import FlagRecord, flag_form, flag_of

FIRST_LINE: Final = b"HOMECELL-BACKUP 1\n"
FAMILY: Final = b"HOMECELL-BACKUP "
HEADER: Final = b"H"
FLAGS: Final = b"F"
RECORDS: Final = b"R"
ALIASES: Final = b"A"
SUMMARY: Final = b"S"

HEAD_BYTES: Final = 5
CRC_BYTES: Final = 4
BLOCK_RECORDS: Final = 10_000
MAX_BODY_BYTES: Final = 1 << 26
_END: Final = 1 << 62
"""Of numbers: what stores keep has 64 bits."""

_LEVEL: Final = 1  # of zlib: a third of the time of the default, a tenth more bytes


class BackupError(Exception):
    """The file can't be used or written; the text says which, where and what, and after `; ` the mend."""


@dataclass(frozen=True, slots=True)
class Header:
    """begun_at_s            Unix seconds
    generation, sequence  where the change feed stood then: every change up to there is in the backup
                          ("" and 0 when the feed could not be asked)
    """

    begun_at_s: float
    generation: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Summary:
    """finished_at_s  Unix seconds
    records, users, moving   how many records there are, by cell, and between two cells
    aliases, flags   how many of them
    checksum       BLAKE2b-256 of every byte before the summary, hexadecimal
    """

    finished_at_s: float
    records: int
    users: Mapping[str, int]
    moving: int
    aliases: int
    flags: int
    checksum: str


def block(kind: bytes, body: bytes) -> bytes:
    """The block around the body."""
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a block of {len(body)} bytes is too long")
    head = kind + len(body).to_bytes(4, "big")
    return head + body + zlib.crc32(body, zlib.crc32(head)).to_bytes(CRC_BYTES, "big")


def is_sound(head: bytes, body: bytes, crc: bytes) -> bool:
    """Whether the block's checksum is right."""
    return zlib.crc32(body, zlib.crc32(head)).to_bytes(CRC_BYTES, "big") == crc


def header_block(header: Header) -> bytes:
    """The block of the header."""
    return block(HEADER, _json(asdict(header)))


def flags_block(flags: Sequence[FlagRecord]) -> bytes:
    """The block of all flags."""
    return block(FLAGS, _json([flag_form(record) for record in flags]))


def records_block(records: Sequence[Assignment]) -> bytes:
    """The block of some records."""
    columns: list[list[object]] = [
        [record.key for record in records],
        [record.cell for record in records],
        [record.jurisdiction for record in records],
        [record.epoch for record in records],
        [int(record.state) for record in records],
        [record.moved_to for record in records],
        [record.updated_at_s for record in records],
    ]
    return block(RECORDS, zlib.compress(_json(columns), _LEVEL))


def aliases_block(aliases: Sequence[Alias]) -> bytes:
    """The block of some aliases."""
    columns: list[list[object]] = [
        [alias.key for alias in aliases],
        [alias.home for alias in aliases],
        [alias.epoch for alias in aliases],
        [alias.updated_at_s for alias in aliases],
    ]
    return block(ALIASES, zlib.compress(_json(columns), _LEVEL))


def summary_block(summary: Summary) -> bytes:
    """The block of the summary."""
    return block(SUMMARY, _json(asdict(summary)))


def read_header(body: bytes) -> Header:
    """Raises ValueError for what is no header."""
    match _parsed(body):
        case {
            "begun_at_s": int() | float() as begun_at_s,
            "generation": str() as generation,
            "sequence": int() as sequence,
        } if _is_time(begun_at_s):
            return Header(begun_at_s, generation, sequence)
    raise ValueError("the header is not as it should be")


def read_flags(body: bytes) -> list[FlagRecord]:
    """Raises ValueError for what are no flags."""
    rows = _parsed(body)
    if not isinstance(rows, list):
        raise ValueError("the flags are no list")
    flags = [flag_of(row) for row in rows]
    for flag in flags:
        _check_texts([flag.cell, flag.word, flag.reason, flag.author])
        _check_times([flag.set_at_s, flag.expires_at_s or 0.0])
    return flags


def read_records(body: bytes) -> list[Assignment]:
    """Raises ValueError for what are no records."""
    keys, cells, laws, epochs, states, targets, times = _columns(body, 7)
    for texts in (keys, cells, laws, targets):
        _check_texts(texts)
    _check_epochs(epochs)
    _check_times(times)
    if not all(state in (0, 1) for state in states):
        raise ValueError("a record is neither placed nor moving")
    placed, moving = State.PLACED, State.MOVING
    return [
        Assignment(key, cell, law, epoch, moving if state else placed, target, time_s)
        for key, cell, law, epoch, state, target, time_s in zip(
            keys, cells, laws, epochs, states, targets, times, strict=True
        )
    ]


def read_aliases(body: bytes) -> list[Alias]:
    """Raises ValueError for what are no aliases."""
    keys, homes, epochs, times = _columns(body, 4)
    _check_texts(keys)
    _check_texts(homes)
    _check_epochs(epochs)
    _check_times(times)
    return [Alias(*row) for row in zip(keys, homes, epochs, times, strict=True)]


def read_summary(body: bytes) -> Summary:
    """Raises ValueError for what is no summary."""
    match _parsed(body):
        case {
            "finished_at_s": int() | float() as finished_at_s,
            "records": int() as records,
            "users": dict() as users,
            "moving": int() as moving,
            "aliases": int() as aliases,
            "flags": int() as flags,
            "checksum": str() as checksum,
        } if all(isinstance(count, int) for count in users.values()) and _is_time(finished_at_s):
            return Summary(finished_at_s, records, users, moving, aliases, flags, checksum)
    raise ValueError("the summary is not as it should be")


def _columns(body: bytes, count: int) -> list[list[Any]]:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise ValueError(f"it can't be unpacked ({error})") from error
    if not unpacking.eof:
        raise ValueError("what is packed in it is cut short, or longer than it may be")
    columns = _parsed(text)
    if not isinstance(columns, list) or len(columns) != count:
        raise ValueError(f"it has no {count} columns")
    if not all(isinstance(column, list) for column in columns):
        raise ValueError("a column is no list")
    return columns


def _check_texts(column: list[Any]) -> None:
    if not all(type(text) is str for text in column):
        raise ValueError("a name is no text")
    try:
        "".join(column).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a name has half of a surrogate pair") from error


def _check_epochs(column: list[Any]) -> None:
    if not all(type(epoch) is int and 1 <= epoch < _END for epoch in column):
        raise ValueError("an epoch is no whole number from 1 that a store could hold")


def _check_times(column: list[Any]) -> None:
    if not all(_is_time(time_s) for time_s in column):
        raise ValueError("a time is no number of seconds")


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and isinstance(value, int | float) and abs(value) < _END


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _parsed(text: bytes) -> object:
    try:
        parsed: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    return parsed
