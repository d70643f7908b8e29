"""What all requests of a worker share: the retry budget, whom it trusts."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from lookup.flags import Flag
from tests.support.stage import Stage, staged


@pytest.mark.parametrize(
    ("in_flight", "allowed"), [(0, 3), (1, 3), (15, 3), (19, 3), (20, 4), (24, 4), (25, 5), (1000, 200)]
)
@staged
async def test_a_fifth_of_the_requests_in_flight_may_be_sent_again_and_three_always(
    stage: Stage, in_flight: int, allowed: int
) -> None:
    edge = stage.edge
    edge.in_flight = in_flight
    edge.retrying = allowed - 1
    assert edge.may_retry()
    edge.retrying = allowed
    assert not edge.may_retry()
    edge.in_flight = edge.retrying = 0


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
