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
