"""The shape of the cells file: every cell of the platform, shared by all edges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from proxy.config.section import Section
from proxy.config.values import CellEndpoint, Count, Name, Text


class CellEntry(Section):
    """One cell of the cells file."""

    name: Name = Field(
        description="Stable readable name; it stands in tokens, cookies and the store, so never rename."
    )
    jurisdiction: Name = Field(description="Whose law the cell is under; one of the names below `residency`.")
    region: Name = Field(description="Where it stands, for people.")
    endpoints: tuple[CellEndpoint, ...] = Field(
        min_length=1,
        max_length=16,
        description="Where it listens, `host:port`. All of them serve the same users; connections are "
        "opened "
        "to each in turn.",
    )
    weight: Annotated[float, Strict(), Field(ge=0, le=1000, allow_inf_nan=False)] = Field(
        default=1,
        description="How many of the new users it gets, relative to the other cells; 0: none. Default: as "
        "many as any other.",
    )
    capacity: Count | None = Field(
        default=None,
        description="Most users it may have; the fuller it is, the fewer new ones it gets. Default: no bound "
        "of its own.",
    )
    tenants: tuple[Text, ...] = Field(
        default=(),
        description="Tenants that have this cell to themselves: their new users live in their own cells and "
        "nobody else's do. Default: the cell is for the users of all tenants that have no cell of their own.",
    )


class Inventory(Section):
    """The cells file."""

    cells: tuple[CellEntry, ...] = Field(
        min_length=1, description="Every cell of the platform. Order does not matter."
    )
