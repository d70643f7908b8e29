"""What a worker knows of homes, moves and flags, as bytes and back. Touches no file.

Form: one line `homecell-snapshot VERSION CHECKSUM`, then lines of JSON: lists that begin with what they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from math import isfinite
from typing import Final, NamedTuple

from lookup.assignment import State
from lookup.flags import FlagRecord, flag_read
from lookup.ports import KeyMove

VERSION: Final = 1

_MAGIC: Final = b"homecell-snapshot"
_ROWS_PER_LINE: Final = 256
"""Encoding one line holds the interpreter's lock for a fraction of a millisecond."""


class KnownHome(NamedTuple):
    """A remembered home; `read_at_s` (Unix seconds) says when it was read from a tier."""

    key: str
    cell: str
    jurisdiction: str
    epoch: int
    state: State
    read_at_s: float


class KnownAlias(NamedTuple):
    """A remembered name of a home; `read_at_s` (Unix seconds) says when it was read from a tier."""

    key: str
    home: str
    epoch: int
    read_at_s: float


@dataclass(frozen=True, slots=True)
class Knowledge:
    """as_of_s         Unix seconds of the feed's last event: moves and flags are complete up to then
    covers_since_s  every move after this time is among `moves`, or told by `left_at_s`
    left_at_s       by cell: when the last of the moves away from it happened that are not told one by one
    """

    as_of_s: float
    covers_since_s: float
    homes: Sequence[KnownHome]
    moves: Sequence[KeyMove]
    left_at_s: Mapping[str, float]
    flags: Sequence[FlagRecord]
    aliases: Sequence[KnownAlias] = ()


class Reason(StrEnum):
    """Why a snapshot was not used."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too large"
    NO_SNAPSHOT = "not a snapshot"
    OTHER_VERSION = "of another version"
    TORN = "torn or damaged"
    FOREIGN = "of another store"
    YET_TO_COME = "of a time yet to come"


@dataclass(frozen=True, slots=True)
class Ignored:
    """That there was nothing to use, and why."""

    reason: Reason
    detail: str = ""


def encode_feed(origin: str, as_of_s: float, covers_since_s: float, left_at_s: Mapping[str, float]) -> bytes:
    """The body's first line: `origin` names the store that it all comes from."""
    return _line(["feed", origin, as_of_s, covers_since_s, dict(left_at_s)])


def encode_homes(homes: Sequence[KnownHome]) -> bytes:
    """Lines of the body."""
    return _lines("homes", homes)


def encode_aliases(aliases: Sequence[KnownAlias]) -> bytes:
    """Lines of the body; none when there are no aliases, so that programs without them can read it."""
    return _lines("aliases", aliases)


def encode_moves(moves: Sequence[KeyMove]) -> bytes:
    """Lines of the body, in order of time."""
    return _lines("moves", [(move.key, move.epoch, move.moved_at_s, move.left_cell) for move in moves])


def encode_flags(flags: Iterable[FlagRecord]) -> bytes:
    """Lines of the body."""
    return _lines(
        "flags",
        [(f.cell, f.word, f.version, f.reason, f.author, f.set_at_s, f.expires_at_s) for f in flags],
    )


def seal(body: bytes) -> bytes:
    """The whole, with its first line."""
    return b"%s %d %s\n%s" % (_MAGIC, VERSION, _checksum(body), body)


def unseal(content: bytes, origin: str) -> Knowledge | Ignored:
    """What the bytes say, if they are whole, of this version and from that store."""
    head, _, body = content.partition(b"\n")
    match head.split(b" "):
        case [magic, version, checksum] if magic == _MAGIC:
            if version != b"%d" % VERSION:
                return Ignored(Reason.OTHER_VERSION, f"version {version[:8]!r}")
            if checksum != _checksum(body):
                return Ignored(Reason.TORN)
        case _:
            return Ignored(Reason.NO_SNAPSHOT)
    try:
        return _decode(body, origin)
    except (ValueError, TypeError, RecursionError) as error:
        return Ignored(Reason.NO_SNAPSHOT, str(error)[:80])


def _decode(body: bytes, origin: str) -> Knowledge | Ignored:
    lines = body.splitlines()
    match json.loads(lines[0]) if lines else None:
        case [
            "feed",
            str() as found,
            float() as as_of_s,
            float() | int() as covers_since_s,
            dict() as left_at,
        ]:
            pass
        case _:
            raise ValueError("no first line")
    if found != origin:
        return Ignored(Reason.FOREIGN, found[:80])
    if not isfinite(as_of_s):
        raise ValueError("no time")
    homes: list[KnownHome] = []
    moves: list[KeyMove] = []
    flags: list[FlagRecord] = []
    aliases: list[KnownAlias] = []
    for line in lines[1:]:
        kind, rows = json.loads(line)
        if kind == "homes":
            homes += _homes(rows)
        elif kind == "moves":
            moves += [
                KeyMove(str(key), int(epoch), float(at_s), str(left)) for key, epoch, at_s, left in rows
            ]
        elif kind == "aliases":
            aliases += [
                KnownAlias(str(key), str(home), int(epoch), float(read_at_s))
                for key, home, epoch, read_at_s in rows
            ]
        else:
            flags += [flag_read(cell, flag, *rest) for cell, flag, *rest in rows]
    left_at_s = {cell: float(at_s) for cell, at_s in left_at.items()}
    return Knowledge(as_of_s, covers_since_s, homes, moves, left_at_s, flags, tuple(aliases))


def _homes(rows: list[tuple[str, str, str, int, int, float]]) -> Iterator[KnownHome]:
    for key, cell, jurisdiction, epoch, state, read_at_s in rows:
        texts, numbers = (key, cell, jurisdiction), (epoch, read_at_s)
        if {*map(type, texts)} != {str} or {*map(type, numbers)} != {int, float}:
            raise ValueError("not a home")
        yield KnownHome(key, cell, jurisdiction, epoch, State(state), read_at_s)


def _lines(kind: str, rows: Sequence[Sequence[object]]) -> bytes:
    starts = range(0, len(rows), _ROWS_PER_LINE)
    return b"".join(_line([kind, rows[start : start + _ROWS_PER_LINE]]) for start in starts)


def _line(content: list[object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).hexdigest().encode()
