"""Applies the flags of the store to one worker's data plane: each change is one swapped snapshot."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from lookup.changes import FlagListener
from lookup.flags import FlagRecord
from proxy.cells.flags import FlagBoard
from proxy.forward.edge import Edge

_log = logging.getLogger("homecell")


class FlagSwitch(FlagListener):
    """Requests that were not sent yet see the new flags after a call; those under way keep what they saw."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._show()

    def replaced(self, flags: Mapping[str, FlagRecord]) -> None:
        """These are all flags there are; after a restore of the store, with versions lower than known."""
        self._swap(FlagBoard(flags.values(), time.time()))

    def changed(self, record: FlagRecord) -> None:
        """One cell's flag is this now."""
        self._swap(self._edge.snapshot.board.with_record(record, time.time()))

    def expire(self) -> None:
        """End the flags whose time has passed; called by the worker's ticker."""
        self._swap(self._edge.snapshot.board.as_of(time.time()))

    def _swap(self, board: FlagBoard) -> None:
        edge = self._edge
        if board is not edge.snapshot.board:
            for name in board.unknown - edge.snapshot.board.unknown:
                _log.warning("the flag of %s is none that this version knows; it is taken for `down`", name)
            edge.adopt(edge.snapshot.with_board(board))
            self._show()

    def _show(self) -> None:
        snapshot = self._edge.snapshot
        for name, link in snapshot.links.items():
            link.meter.flag(name in snapshot.down, name in snapshot.board.unknown)
