"""What requests of a worker share: a cell's retry budget, whom it trusts."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import cast

import pytest

from lookup.flags import Flag
from proxy.forward.downstream import Downstream
from tests.support.stage import Stage, staged


@pytest.mark.parametrize(
    ("in_flight", "allowed"), [(0, 3), (1, 3), (15, 3), (19, 3), (20, 4), (24, 4), (25, 5), (1000, 200)]
)
@staged
async def test_a_fifth_of_the_requests_of_a_cell_may_be_sent_again_and_three_always(
    stage: Stage, in_flight: int, allowed: int
) -> None:
    link = stage.edge.snapshot.links["eu-1"]
    for _ in range(in_flight):
        link.meter.enter()
    link.retrying = allowed - 1
    assert link.may_retry()
    link.retrying = allowed
    assert not link.may_retry()
    link.retrying = 0
    for _ in range(in_flight):
        link.meter.leave()


@staged
async def test_nobody_is_trusted_unless_a_network_names_him(stage: Stage) -> None:
    edge = stage.edge
    assert not edge.trusts("127.0.0.1")
    edge.trusted_networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert edge.trusts("10.1.2.3")
    assert edge.trusts("fd00::1")
    assert not edge.trusts("11.0.0.1")
    assert not edge.trusts("::1")
    assert not edge.trusts("::ffff:10.1.2.3")


class Accepted:
    """A transport of a connection from this peer."""

    def __init__(self, peername: object) -> None:
        self._peername = peername

    def get_extra_info(self, name: str) -> object:
        return self._peername if name == "peername" else None

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        assert high > low


@pytest.mark.parametrize(
    ("peername", "address", "trusted"),
    [
        (("10.1.2.3", 4000), "10.1.2.3", True),
        (("::ffff:10.1.2.3", 4000, 0, 0), "10.1.2.3", True),
        (("::ffff:a01:203", 4000, 0, 0), "::ffff:a01:203", False),
        (("11.0.0.1", 4000), "11.0.0.1", False),
        ("", "unix", False),
        (None, "unix", False),
    ],
)
@staged
async def test_who_is_there_is_told_of_any_connection(
    stage: Stage, peername: object, address: str, trusted: bool
) -> None:
    """None is the peer of a client that left before it was accepted."""
    stage.edge.trusted_networks = (ip_network("10.0.0.0/8"),)
    connection = Downstream(stage.edge)
    connection.connection_made(cast("asyncio.BaseTransport", Accepted(peername)))
    assert (connection.peer.address, connection.peer.trusted) == (address, trusted)
    connection.connection_lost(None)


@staged
async def test_a_snapshot_stays_what_it_was_when_the_next_one_is_made(stage: Stage) -> None:
    first = stage.edge.snapshot
    stage.flag("eu-1", Flag.DOWN)
    second = stage.edge.snapshot
    assert (first.generation, second.generation) == (1, 2)
    assert (first.down, second.down) == (frozenset(), frozenset({"eu-1"}))
    assert [link.name for link in first.serving_links("eu")] == ["eu-1", "eu-2"]
    assert [link.name for link in second.serving_links("eu")] == ["eu-2"]
    assert second.serving_links("ch") == []
