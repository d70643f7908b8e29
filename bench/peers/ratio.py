"""Home Cell beside its peers: each round's ratio, their median and spread, the goal where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.arithmetic import Spread, ratios, spread
from bench.peers.rows import GOALS, Row
from bench.peers.table import Measured


@dataclass(frozen=True, slots=True)
class Ratio:
    """Home Cell's CPU per request divided by a peer's; `goal` is None where none was set."""

    ours: str
    theirs: str
    spread: Spread
    goal: float | None


def compare(table: Sequence[Measured]) -> list[Ratio]:
    """Each Home Cell row against each peer that verifies the same kind of token, and the bare forwarder."""
    ours = [measured for measured in table if measured.row.build is not None]
    peers = [measured for measured in table if measured.row.build is None]
    return [
        Ratio(our.row.key, peer.row.key, spread(ratios(our.cpu_us(), peer.cpu_us())), goal(our.row, peer.row))
        for our in ours
        for peer in peers
        if peer.row.algorithm is our.row.algorithm
    ]


def goal(ours: Row, theirs: Row) -> float | None:
    """The bound for this pair, by whether our hot path is compiled."""
    for known in GOALS:
        if known.peer == theirs.key and ours.build is not None:
            return known.compiled if ours.build.compiled else known.interpreted
    return None
