"""What the data plane holds for one cell: its connections, its meter, the lines its requests carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.model import Cell
from proxy.observe.meters import CellMeter

if TYPE_CHECKING:
    from proxy.forward.pool import Pool

_RETRY_SHARE: Final = 0.2
_MIN_RETRIES: Final = 3


class CellLink:
    """One cell as the requests see it. Shared by all generations of the snapshot.

    permitted   jurisdictions of the users whose traffic may go through this edge to this cell, see
                proxy.rooms.residency
    lines       for `head_for_cell`
    retrying    requests under way that are being sent to it again
    """

    __slots__ = ("jurisdiction", "lines", "meter", "name", "permitted", "pool", "retrying")

    def __init__(self, cell: Cell, permitted: frozenset[str], meter: CellMeter, pool: Pool) -> None:
        self.name: str = cell.name
        self.jurisdiction: str = cell.jurisdiction
        self.permitted = permitted
        self.meter = meter
        self.pool = pool
        self.lines = b"X-Home-Cell: %b\r\nX-Home-Cell-Epoch: " % cell.name.encode()
        self.retrying = 0

    def may_retry(self) -> bool:
        """Whether the cell's retry budget has room: a fifth of its requests in flight, at least three.

        Each cell has its own, so that one that is gone leaves those of the others alone.
        """
        return self.retrying < max(_MIN_RETRIES, int(self.meter.in_flight * _RETRY_SHARE))
