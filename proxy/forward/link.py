"""What the data plane holds for one cell: its connections, its meter, the lines its requests carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.model import Cell
from proxy.observe.meters import CellMeter

if TYPE_CHECKING:
    from proxy.forward.pool import Pool


class CellLink:
    """One cell as the requests see it. Shared by all generations of the snapshot.

    permitted   jurisdictions of the users whose traffic may go through this edge to this cell, see
                proxy.rooms.residency
    lines       for `head_for_cell`
    """

    __slots__ = ("jurisdiction", "lines", "meter", "name", "permitted", "pool")

    def __init__(self, cell: Cell, permitted: frozenset[str], meter: CellMeter, pool: Pool) -> None:
        self.name: str = cell.name
        self.jurisdiction: str = cell.jurisdiction
        self.permitted = permitted
        self.meter = meter
        self.pool = pool
        self.lines = b"X-Home-Cell: %b\r\nX-Home-Cell-Epoch: " % cell.name.encode()
