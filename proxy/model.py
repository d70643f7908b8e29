"""Value types that several rooms share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

CellName = NewType("CellName", str)
Jurisdiction = NewType("Jurisdiction", str)


class Source(IntEnum):
    """Where a request's identity came from."""

    NONE = 0
    BEARER = 1
    SESSION_COOKIE = 2
    ROUTING_COOKIE = 3


SOURCE_LABELS = ("none", "bearer", "session-cookie", "routing-cookie")


class NotMineResult(IntEnum):
    """What became of a request that a cell did not take for its own."""

    REPLAYED = 0  # sent to the cell that the truth names
    TOLD = 1  # the client was told to send it again: its body was gone
    DISPUTED = 2  # the truth names the cell that says it isn't
    TWICE = 3  # the second cell says so, too
    MALFORMED = 4  # the cell's word can't be read
    UNAVAILABLE = 5  # the truth can't be had
    REFUSED = 6  # the truth names no cell that this request may go to now
    ABANDONED = 7  # the client left, or the time was over, before the truth answered


NOT_MINE_LABELS = tuple(result.name.lower() for result in NotMineResult)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a cell listens: host is an IP literal or a DNS name, port 1..65535."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the inventory. `index` is its dense position, 0..len(inventory)-1, for tables by cell.

    weight, capacity, tenants   see lookup.placement
    """

    name: CellName
    jurisdiction: Jurisdiction
    region: str
    endpoints: tuple[Endpoint, ...]
    index: int
    weight: float = 1.0
    capacity: int | None = None
    tenants: frozenset[str] = frozenset()
