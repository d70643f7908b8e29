"""Which datacentre is asked for what, and how sure its answers are."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, ExecutionProfile

from lookup.stores.cassandra_cluster import (
    LOAD,
    READ,
    SHARED_NOTE,
    SHARED_READ,
    confirming,
    deciding,
    deciding_again,
    profiles,
)
from lookup.stores.cassandra_hedging import HedgePace
from lookup.stores.cassandra_homes import HomeRow, handover_wait_s
from lookup.stores.cassandra_settings import CassandraSettings, Owners
from tests.lookup.fakes import NOW_S, home

PACE = HedgePace(0.02, 0.5)
SETTINGS = CassandraSettings(("127.0.0.1",), datacentre="eu")
OWNERS = Owners("eu", {"eu": "eu", "us": "us", "ch": "eu"})


def place_of(profile: ExecutionProfile) -> str:
    """The datacentre whose nodes are asked."""
    policy = profile.load_balancing_policy
    return str(getattr(policy, "_child_policy", policy).local_dc)


@pytest.mark.parametrize("datacentre", ["eu", "us"])
@pytest.mark.parametrize("profile_of", [deciding, deciding_again])
def test_an_owner_decides_among_its_own_nodes_only(datacentre: str, profile_of: object) -> None:
    assert callable(profile_of)
    found = profiles(replace(SETTINGS, owners=OWNERS), PACE)[profile_of(datacentre)]
    assert found.serial_consistency_level == ConsistencyLevel.LOCAL_SERIAL
    assert found.consistency_level == ConsistencyLevel.LOCAL_QUORUM
    assert place_of(found) == datacentre


@pytest.mark.parametrize("datacentre", ["eu", "us"])
def test_what_an_owner_has_decided_is_confirmed_by_its_own_nodes(datacentre: str) -> None:
    found = profiles(replace(SETTINGS, owners=OWNERS), PACE)[confirming(datacentre)]
    assert found.consistency_level == ConsistencyLevel.LOCAL_SERIAL
    assert place_of(found) == datacentre


def test_without_owners_all_datacentres_decide_and_confirm_together() -> None:
    for owners in (None, OWNERS):
        found = profiles(replace(SETTINGS, owners=owners), PACE)
        assert found[deciding(None)].serial_consistency_level == ConsistencyLevel.SERIAL
        assert found[confirming(None)].consistency_level == ConsistencyLevel.SERIAL
        assert place_of(found[deciding(None)]) == "eu"


def test_readings_and_loads_are_near_and_loads_are_known_everywhere() -> None:
    found = profiles(replace(SETTINGS, owners=Owners("us", {})), PACE)
    assert (found[READ].consistency_level, place_of(found[READ])) == (ConsistencyLevel.LOCAL_QUORUM, "eu")
    assert (found[LOAD].consistency_level, place_of(found[LOAD])) == (ConsistencyLevel.EACH_QUORUM, "eu")


@pytest.mark.parametrize("profile", [SHARED_READ, SHARED_NOTE])
def test_what_all_edges_share_is_read_and_written_at_quorums_that_overlap(profile: str) -> None:
    together = profiles(SETTINGS, PACE)[profile]
    assert (together.consistency_level, place_of(together)) == (ConsistencyLevel.QUORUM, "eu")
    owned = profiles(replace(SETTINGS, owners=Owners("us", {"eu": "eu"})), PACE)[profile]
    assert (owned.consistency_level, place_of(owned)) == (ConsistencyLevel.LOCAL_QUORUM, "us")


def test_nothing_is_asked_of_a_datacentre_that_nobody_named() -> None:
    for owners in (None, OWNERS):
        found = profiles(replace(SETTINGS, owners=owners), PACE)
        assert place_of(found[EXEC_PROFILE_DEFAULT]) == "eu"
        assert {place_of(profile) for profile in found.values()} <= {"eu", "us"}


def test_who_owns_a_record() -> None:
    assert OWNERS.of(None) == "eu"
    assert OWNERS.of("us") == "us"
    assert OWNERS.of("a jurisdiction that nobody named") == "eu"
    assert OWNERS.datacentres() == {"eu", "us"}


@pytest.mark.parametrize(
    ("decided_by", "written_at_s", "owner", "wait_s"),
    [
        ("us", NOW_S, "us", 0.0),
        ("eu", NOW_S, "us", 5.0),
        ("eu", NOW_S - 4.0, "us", 1.0),
        ("eu", NOW_S - 5.0, "us", 0.0),
        ("eu", NOW_S + 2.0, "us", 7.0),
        (None, NOW_S - 1.0, "us", 4.0),
        (None, 0.0, "us", 0.0),
        ("", NOW_S, None, 0.0),
        ("eu", NOW_S, None, 5.0),
    ],
)
def test_a_record_that_was_handed_over_is_changed_when_no_clock_can_be_behind_its_write(
    decided_by: str | None, written_at_s: float, owner: str | None, wait_s: float
) -> None:
    row = HomeRow(home("user:1"), "", (uuid4(),), None, decided_by, written_at_s)
    assert handover_wait_s(row, owner, NOW_S, 5.0) == pytest.approx(wait_s)
