"""What an operator says of a cell: the record as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Flag(StrEnum):
    """SERVING: requests are forwarded. DOWN: fallback at once, no connection is attempted.

    The last one is the most restrictive.
    """

    SERVING = "serving"
    DOWN = "down"


_KNOWN: Final = frozenset(flag.value for flag in Flag)
_MOST_RESTRICTIVE: Final = list(Flag)[-1]


@dataclass(frozen=True, slots=True)
class FlagRecord:
    """One cell's flag with who, why and when; `version` grows by one with each change of this cell's flag.

    expires_at_s is Unix seconds after which the cell counts as SERVING again, or None. `unknown` is the
    record's word if it is none of this program's: then `flag` is what it is taken for, see `flag_read`.
    """

    cell: str
    flag: Flag
    version: int
    reason: str
    author: str
    set_at_s: float
    expires_at_s: float | None = None
    unknown: str = ""

    @property
    def word(self) -> str:
        """What was written, to write it again."""
        return self.unknown or self.flag.value

    @property
    def shown(self) -> str:
        """What was written, for people."""
        return f"{self.unknown} (unknown here: as {self.flag})" if self.unknown else self.flag.value


def flag_read(
    cell: str,
    word: str,
    version: int,
    reason: str,
    author: str,
    set_at_s: float,
    expires_at_s: float | None = None,
) -> FlagRecord:
    """The record of a stored or received flag. Raises ValueError when the word is no text.

    A word that a newer program has written is taken for the most restrictive flag known: an operator wants
    this cell to serve less, and requests that it must not get are worse than a fallback.
    """
    if word in _KNOWN:
        return FlagRecord(cell, Flag(word), version, reason, author, set_at_s, expires_at_s)
    if not isinstance(word, str) or not word:
        raise ValueError(f"a flag is a word, not {word!r}")
    return FlagRecord(cell, _MOST_RESTRICTIVE, version, reason, author, set_at_s, expires_at_s, word)


def flag_form(record: FlagRecord) -> Mapping[str, str | int | float | None]:
    """A cell's flag as it is written in JSON, by the lookup service and in backups."""
    return {
        "cell": record.cell,
        "flag": record.word,
        "version": record.version,
        "reason": record.reason,
        "author": record.author,
        "set_at_s": record.set_at_s,
        "expires_at_s": record.expires_at_s,
    }


def flag_of(form: object) -> FlagRecord:
    """The flag in `flag_form`. Raises ValueError when it is none."""
    match form:
        case {
            "cell": str() as cell,
            "flag": str() as flag,
            "version": int() as version,
            "reason": str() as reason,
            "author": str() as author,
            "set_at_s": int() | float() as set_at_s,
            "expires_at_s": int() | float() | None as expires_at_s,
        }:
            return flag_read(cell, flag, version, reason, author, set_at_s, expires_at_s)
    raise ValueError("not a flag of a cell")
