"""The store's flags become the flags in force: one by one as they change, and as a whole after a gap."""

from __future__ import annotations

import time
from typing import cast

import pytest

from lookup.flags import Flag, FlagRecord, flag_read
from proxy.cells.flags import FlagBoard
from proxy.flag_switch import FlagSwitch
from proxy.forward.edge import Edge
from proxy.forward.snapshot import Snapshot
from proxy.rooms.routes import Routes


def record(cell: str, flag: Flag, version: int) -> FlagRecord:
    return FlagRecord(cell, flag, version, "broken", "anna", time.time())


class _FakeEdge:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def adopt(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot


def new_edge(*records: FlagRecord) -> Edge:
    return cast("Edge", _FakeEdge(Snapshot(1, {}, Routes(()), FlagBoard(records, time.time()), {})))


def test_a_change_counts_if_it_is_newer() -> None:
    edge = new_edge(record("eu-1", Flag.DOWN, 2))
    switch = FlagSwitch(edge)
    switch.changed(record("eu-1", Flag.SERVING, 1))
    assert edge.snapshot.down == {"eu-1"}
    switch.changed(record("eu-1", Flag.SERVING, 3))
    assert edge.snapshot.down == frozenset()
    assert edge.snapshot.generation == 2


def test_an_unknown_flag_takes_its_own_cell_out_and_no_other_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    edge = new_edge(record("eu-2", Flag.SERVING, 1))
    switch = FlagSwitch(edge)
    for version in (1, 2):
        switch.changed(flag_read("eu-1", "draining", version, "upgrade", "anna", time.time()))
    assert edge.snapshot.down == {"eu-1"}
    assert edge.snapshot.board.unknown == {"eu-1"}
    assert [message for message in caplog.messages if "the flag of eu-1" in message] == [
        "the flag of eu-1 is none that this version knows; it is taken for `down`"
    ]
    switch.changed(record("eu-1", Flag.SERVING, 3))
    assert (edge.snapshot.down, edge.snapshot.board.unknown) == (frozenset(), frozenset())


def test_after_a_gap_the_store_is_right_also_one_put_back_from_a_backup() -> None:
    """Else an edge would go on with a flag that nobody can find, and ignore the next ones."""
    edge = new_edge(record("eu-1", Flag.DOWN, 7), record("eu-2", Flag.DOWN, 4))
    switch = FlagSwitch(edge)
    switch.replaced({"eu-1": record("eu-1", Flag.SERVING, 3)})
    assert edge.snapshot.down == frozenset()
    assert edge.snapshot.board.versions == {"eu-1": 3}
    switch.changed(record("eu-1", Flag.DOWN, 4))
    assert edge.snapshot.down == {"eu-1"}
