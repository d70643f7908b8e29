"""What each of the driver's failures means, and which requests may be sent once more."""

from __future__ import annotations

import pytest
from cassandra import (
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Unavailable,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown
from cassandra.protocol import ErrorMessage, OverloadedErrorMessage

from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.stores.cassandra_cluster import READ, confirming, deciding, deciding_again
from lookup.stores.cassandra_requests import TooManyTombstonesError, may_repeat, port_errors

TRANSIENT = [
    NoHostAvailable("none", {"127.0.0.1": ConnectionShutdown("reset")}),
    ConnectionShutdown("reset"),
    ReadTimeout("slow", consistency=ConsistencyLevel.LOCAL_QUORUM),
    Unavailable("down", consistency=ConsistencyLevel.LOCAL_QUORUM),
    OverloadedErrorMessage(0x1001, "busy", None),
    ErrorMessage(0x1700, "CAS operation result is unknown", None),
]


@pytest.mark.parametrize("failure", [*TRANSIENT, OperationTimedOut(), OSError("no route")])
def test_a_failure_of_nodes_is_told_as_unavailable(failure: Exception) -> None:
    with pytest.raises(StoreUnavailableError) as told, port_errors():
        raise failure
    assert not isinstance(told.value, StoreUnusableError)
    assert told.value.__cause__ is failure


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"127.0.0.1": ConnectionShutdown("reset")}, "127.0.0.1: reset"),
        (["127.0.0.1", "127.0.0.2"], "127.0.0.1; 127.0.0.2"),
        ({}, "none is known to be up"),
    ],
)
def test_when_no_node_answers_it_is_told_which_were_asked(told: object, says: str) -> None:
    with pytest.raises(StoreUnavailableError, match=f"no Cassandra node answers: {says}$"), port_errors():
        raise NoHostAvailable("none", told)


@pytest.mark.parametrize(
    ("codes", "is_so"), [({"127.0.0.1": 1}, True), ({"127.0.0.1": 0}, False), (None, False)]
)
def test_a_reading_that_met_too_many_tombstones_is_told_apart(
    codes: dict[str, int] | None, is_so: bool
) -> None:
    with pytest.raises(StoreUnavailableError) as told, port_errors():
        raise ReadFailure("failed", error_code_map=codes)
    assert isinstance(told.value, TooManyTombstonesError) == is_so


def test_a_refused_statement_names_the_mend() -> None:
    with pytest.raises(StoreUnusableError, match="homecell store init"), port_errors():
        raise InvalidRequest("no such table")


@pytest.mark.parametrize("failure", TRANSIENT)
def test_only_what_does_the_same_twice_is_repeated(failure: Exception) -> None:
    assert may_repeat(READ, failure)
    assert may_repeat(confirming("eu"), failure)
    assert not may_repeat(deciding("eu"), failure)
    assert not may_repeat(deciding_again(None), failure)


@pytest.mark.parametrize("profile", [READ, deciding(None)])
def test_what_a_node_did_not_know_it_did_not_run(profile: str) -> None:
    assert may_repeat(profile, DriverException("node id mismatch, please reprepare"))


@pytest.mark.parametrize("failure", [OperationTimedOut(), InvalidRequest("no such table")])
def test_what_had_its_time_or_can_not_succeed_is_not_repeated(failure: Exception) -> None:
    assert not may_repeat(READ, failure)
