"""One request to the driver: how it is bound, what its failures mean, and whether it may be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from cassandra import DriverException, InvalidRequest, OperationTimedOut, ReadFailure
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage
from cassandra.query import BoundStatement, PreparedStatement

from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.stores.cassandra_cluster import DECIDING

FAILURES: Final = (DriverException, NoHostAvailable, ConnectionException, ErrorMessage)
"""What the driver raises; they have no common kind. ErrorMessage: what it has no name for."""


_TOMBSTONES: Final = 1
"""Cassandra's code for a reading that failed since it passed too many deleted rows."""


class TooManyTombstonesError(StoreUnavailableError):
    """The rows asked for lie among more deleted ones than Cassandra passes for one answer: ask for fewer."""


def may_repeat(profile: str, error: Exception) -> bool:
    """Whether a request that failed before its time was up may be sent once more, and may then succeed.

    A node that dies takes with it what it coordinates, and hedging uses up the driver's list of nodes: one
    connection that is reset then fails the request while other nodes are about to answer.
    """
    if was_not_known(error):
        return True
    return not isinstance(error, InvalidRequest | OperationTimedOut) and not profile.startswith(DECIDING)


def was_not_known(error: Exception) -> bool:
    """The node did not know the statement: one that was restarted or upgraded names it differently."""
    return "reprepare" in str(error)


@contextmanager
def port_errors() -> Iterator[None]:
    """Turn the driver's errors into the port's."""
    try:
        yield
    except InvalidRequest as error:
        raise StoreUnusableError(
            f"Cassandra refuses: {error}. If its tables are missing or old: homecell store init, migrate"
        ) from error
    except NoHostAvailable as error:
        raise StoreUnavailableError(f"no Cassandra node answers: {_why_each(error)}") from error
    except ReadFailure as error:
        known = TooManyTombstonesError if _met_tombstones(error) else StoreUnavailableError
        raise known(f"Cassandra: {type(error).__name__}: {error}") from error
    except (*FAILURES, OSError) as error:
        raise StoreUnavailableError(f"Cassandra: {type(error).__name__}: {error}") from error


def _why_each(error: NoHostAvailable) -> str:
    """The driver tells reasons by node, or only the nodes, or, while it has given all of them up, nothing."""
    told: Mapping[object, object] | Iterable[object] = error.errors
    reasons = {f"{host}: {told[host]}" for host in told} if isinstance(told, Mapping) else set(map(str, told))
    return "; ".join(sorted(reasons)) or "none is known to be up"


def _met_tombstones(error: ReadFailure) -> bool:
    reasons: dict[str, int] = error.error_code_map or {}
    return _TOMBSTONES in reasons.values()


class _Routed(BoundStatement):  # type: ignore[misc]  # the driver has no types
    """A bound statement that can be told its routing key: of `key IN ?` the driver finds none.

    asked_already  the node that has it already, if any: the driver asks that one last
    """

    asked_already: object | None = None

    def __init__(self, prepared: PreparedStatement, routing_key: bytes | None) -> None:
        super().__init__(prepared)
        self._told_routing_key = routing_key

    @property
    def routing_key(self) -> bytes | None:
        if self._told_routing_key is not None:
            return self._told_routing_key
        found: bytes | None = BoundStatement.routing_key.fget(self)
        return found


def bind(
    prepared: PreparedStatement, values: Sequence[object], profile: str, routing_key: bytes | None
) -> BoundStatement:
    """The statement as the profile sends it. `routing_key` where the values don't tell the replicas."""
    bound = _Routed(prepared, routing_key).bind(values)
    bound.is_idempotent = not profile.startswith(DECIDING)  # such a one may be sent to a second node
    return bound
