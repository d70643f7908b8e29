"""What an operator says of a cell: the record as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Flag(StrEnum):
    """SERVING: requests are forwarded. DOWN: fallback at once, no connection is attempted."""

    SERVING = "serving"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class FlagRecord:
    """One cell's flag with who, why and when; `version` grows by one with each change of this cell's flag.

    expires_at_s is Unix seconds after which the cell counts as SERVING again, or None.
    """

    cell: str
    flag: Flag
    version: int
    reason: str
    author: str
    set_at_s: float
    expires_at_s: float | None = None
