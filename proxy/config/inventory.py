"""The shape of the cells file: every cell of the platform, shared by all edges."""

from __future__ import annotations

from pydantic import Field

from proxy.config.section import Section
from proxy.config.values import CellEndpoint, Name


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


class Inventory(Section):
    """The cells file."""

    cells: tuple[CellEntry, ...] = Field(
        min_length=1, description="Every cell of the platform. Order does not matter."
    )
