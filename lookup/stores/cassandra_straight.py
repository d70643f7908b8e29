"""Readings sent straight to a replica, past what the driver keeps for when something goes wrong.

Its plan, retries, timers and locks are a third of what a reading costs this process. Here a reading goes out
once. When that fails, or is late and another node may be quicker, the driver's own request follows, with all
of these; the first good answer counts.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from cassandra import OperationTimedOut
from cassandra.cluster import Session
from cassandra.connection import ConnectionException, ConnectionShutdown
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import RESULT_KIND_ROWS, ExecuteMessage, ResultMessage
from cassandra.query import BoundStatement

from lookup.stores.cassandra_cluster import READ
from lookup.stores.cassandra_hedging import HedgePace
from lookup.stores.cassandra_reactor import LoopConnection

Settle: TypeAlias = "Callable[[list[tuple[Any, ...]] | Exception], None]"
"""Told the rows, or why there are none; on the loop, once."""

AskDriver: TypeAlias = Callable[[Settle, float], None]
"""Makes the driver's request for the same statement, with so many seconds to answer."""

Told: TypeAlias = Callable[[object], None]

_LEAST_S: Final = 0.001
"""That the driver's request gets, however late it is: it then says itself what became of it."""


class StraightReads:
    """Of one connected session; only the loop's thread uses it.

    datacentre  whose nodes are asked
    """

    def __init__(
        self, session: Session, reactor: type[LoopConnection], datacentre: str, pace: HedgePace
    ) -> None:
        self.reactor: Final = reactor
        self.pace: Final = pace
        self._session = session
        self._datacentre = datacentre
        self._consistency: int = session.get_execution_profile(READ).consistency_level

    def begin(self, statement: BoundStatement, limit_s: float, ask_driver: AskDriver, settle: Settle) -> None:
        """Read, within that time. `settle` may be told before this returns."""
        replica = self._replica(statement)
        if replica is None:
            ask_driver(settle, limit_s)
        else:
            _Reading(self, replica, statement, limit_s, ask_driver, settle).begin()

    def has_other_than(self, node: object) -> bool:
        """Whether the driver could ask somebody else."""
        pools = list(self._session.get_pools())  # other threads change them
        return any(self._is_near(pool.host) and pool.host is not node for pool in pools)

    def send(self, node: object, statement: BoundStatement, told: Told) -> bool:
        """Send it to that node. False: that can't be done now, and `told` is never called.

        told  with the driver's message or exception; on the loop
        """
        try:
            pool = self._session._pools[node]
            connection, number = pool.borrow_connection(timeout=0)
        except (KeyError, NoConnectionsAvailable, ConnectionException):
            return False

        def answered(response: object) -> None:
            pool.return_connection(connection)
            with contextlib.suppress(ConnectionShutdown):  # the loop has ended
                self.reactor.on_loop(partial(told, response))

        prepared = statement.prepared_statement
        message = ExecuteMessage(
            prepared.query_id,
            statement.values,
            self._consistency,
            fetch_size=self._session.default_fetch_size,
            skip_meta=bool(prepared.result_metadata),
            result_metadata_id=prepared.result_metadata_id,
        )
        try:
            connection.send_msg(message, number, answered, result_metadata=prepared.result_metadata)
        except ConnectionException:  # it has just ended
            pool.return_connection(connection)
            return False
        return True

    def _replica(self, statement: BoundStatement) -> object | None:
        """Any of those that are near and up."""
        routing_key = statement.routing_key
        if routing_key is None:
            return None
        replicas = self._session.cluster.metadata.get_replicas(statement.keyspace, routing_key)
        near = [node for node in replicas if self._is_near(node)]
        return random.choice(near) if near else None

    def _is_near(self, node: Any) -> bool:
        return bool(node.is_up) and node.datacenter == self._datacentre


class _Reading:
    """One reading under way."""

    __slots__ = (
        "_ask_driver",
        "_begun_s",
        "_by_driver",
        "_is_over",
        "_limit_s",
        "_node",
        "_reads",
        "_settle",
        "_statement",
        "_timer",
    )

    def __init__(
        self,
        reads: StraightReads,
        node: object,
        statement: BoundStatement,
        limit_s: float,
        ask_driver: AskDriver,
        settle: Settle,
    ) -> None:
        self._reads = reads
        self._node = node
        self._statement = statement
        self._limit_s = limit_s
        self._ask_driver = ask_driver
        self._settle = settle
        self._begun_s = reads.reactor.loop.time()
        self._timer = reads.reactor.create_timer(min(reads.pace.delay_s, limit_s), self._late)
        self._by_driver = False
        self._is_over = False

    def begin(self) -> None:
        """Send it."""
        try:
            is_sent = self._reads.send(self._node, self._statement, self._told)
        except Exception as error:
            self._end(error)
        else:
            if not is_sent:
                self._go_on_by_driver()

    def _told(self, response: object) -> None:
        if isinstance(response, ResultMessage) and response.kind == RESULT_KIND_ROWS:
            self._end(response.parsed_rows)
        else:
            self._go_on_by_driver()

    def _late(self) -> None:
        if self._reads.has_other_than(self._node):
            self._go_on_by_driver()
        elif not (self._is_over or self._by_driver):
            self._timer = self._reads.reactor.create_timer(self._rest_s(), self._out_of_time)

    def _out_of_time(self) -> None:
        self._end(OperationTimedOut({str(self._node): f"no answer within {self._limit_s:g} s"}, self._node))

    def _go_on_by_driver(self) -> None:
        if self._is_over or self._by_driver:
            return
        self._by_driver = True
        self._timer.cancel()
        self._statement.asked_already = self._node
        try:
            self._ask_driver(self._end, self._rest_s())
        except Exception as error:
            self._end(error)

    def _rest_s(self) -> float:
        return max(_LEAST_S, self._begun_s + self._limit_s - self._reads.reactor.loop.time())

    def _end(self, answer: list[tuple[Any, ...]] | Exception) -> None:
        if not self._is_over:
            self._is_over = True
            self._timer.cancel()
            self._settle(answer)
