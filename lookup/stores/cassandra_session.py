"""Asks Cassandra from the event loop, on which the driver's connections are (cassandra_reactor).

Nothing here waits for the driver on the loop; what blocks (connecting, preparing) happens on a helper thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar

from cassandra import OperationTimedOut
from cassandra.cluster import Cluster, ResponseFuture, Session
from cassandra.connection import ConnectionShutdown
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement

from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra_cluster import LOAD, READ, SCAN, SCHEMA, make_cluster
from lookup.stores.cassandra_hedging import HedgePace
from lookup.stores.cassandra_reactor import LoopConnection, reactor_of
from lookup.stores.cassandra_requests import FAILURES, bind, may_repeat, port_errors, was_not_known
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_straight import Settle, StraightReads
from lookup.tasks import take_note

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
"""Columns in the order of the statement, typed by the driver."""

_SCAN_PAGE_ROWS: Final = 5000
_REPEATS: Final = 2
_DIAL_AGAIN_S: Final = 1.0
"""After a failed attempt to connect; those who ask before get its failure again."""

_CUT_EVERY_S: Final = 0.05


class _Line(NamedTuple):
    """A cluster that is connected, the driver's session on it, and the shorter way to it."""

    cluster: Cluster
    session: Session
    straight: StraightReads


class CassandraSession:
    """Connects when first asked; while it can't, every request says why. Used by one event loop.

    greet  told of each new connection before anybody else may use it, on a session that it has for itself;
           what it raises ends the connection, and is what those get who wait for it
    """

    def __init__(
        self,
        settings: CassandraSettings,
        greet: Callable[[CassandraSession], Awaitable[None]] | None = None,
    ) -> None:
        self.keyspace: Final = settings.keyspace
        self._settings = settings
        self._greet = greet
        self._loop = asyncio.get_running_loop()
        self._reactor = reactor_of(self._loop)
        self._places = asyncio.Semaphore(settings.in_flight)
        self._pace = HedgePace(settings.hedge_after_s, settings.request_timeout_s / 4)
        self._prepared: dict[str, PreparedStatement] = {}
        self._waiting: set[asyncio.Future[list[Row]]] = set()
        self._line: _Line | None = None
        self._dialling: asyncio.Task[_Line] | None = None
        self._failure = StoreUnavailableError("never dialled")
        self._dial_from_s = 0.0
        self._closed = False

    @classmethod
    async def connect(cls, settings: CassandraSettings) -> Self:
        """Raises StoreUnusableError or StoreUnavailableError."""
        session = cls(settings)
        await session.connected()
        return session

    async def connected(self) -> _Line:
        """Connect, if that is not done. Raises StoreUnusableError or StoreUnavailableError."""
        self._check_open()
        if self._line is not None:
            return self._line
        if self._dialling is None:
            if self._loop.time() < self._dial_from_s:
                raise type(self._failure)(str(self._failure))
            self._dialling = self._loop.create_task(self._dial())
            self._dialling.add_done_callback(take_note)
        return await asyncio.shield(self._dialling)  # who is cancelled leaves, the others wait on

    async def _dial(self) -> _Line:
        try:
            line = await self._loop.run_in_executor(None, _dial, self._settings, self._pace, self._reactor)
            try:
                await self._introduce(line)
            except BaseException:
                await self._loop.run_in_executor(None, line.cluster.shutdown)
                raise
            self._line = line
            return line
        except StoreUnavailableError as failure:
            self._failure = failure
            self._dial_from_s = self._loop.time() + _DIAL_AGAIN_S
            raise
        finally:
            self._dialling = None

    async def _introduce(self, line: _Line) -> None:
        if self._greet is not None:
            own = CassandraSession(self._settings)
            own._line = line
            own._prepared = self._prepared
            await self._greet(own)

    async def ask(
        self, statement: str, values: Sequence[object], profile: str, routing_key: bytes | None = None
    ) -> list[Row]:
        """The rows of one request. `routing_key` where the values don't say which replicas to ask."""

        async def once(timeout_s: float | None) -> list[Row]:
            prepared = await self._prepare(statement)
            return await self._execute(bind(prepared, values, profile, routing_key), profile, timeout_s)

        return await self._repeated(statement, profile, once)

    async def _repeated(
        self, statement: str, profile: str, once: Callable[[float | None], Awaitable[list[Row]]]
    ) -> list[Row]:
        ends_s = self._loop.time() + self._settings.request_timeout_s
        timeout_s: float | None = None
        with port_errors():
            for _ in range(_REPEATS):
                try:
                    return await once(timeout_s)
                except FAILURES as error:
                    timeout_s = ends_s - self._loop.time()
                    if timeout_s <= 0 or not may_repeat(profile, error):
                        raise
                    if was_not_known(error):
                        self._prepared.pop(statement, None)
            return await once(timeout_s)

    async def prepare(self, statements: Sequence[str]) -> None:
        """Beforehand, so that no lookup waits for it."""
        for statement in statements:
            await self._prepare(statement)

    async def ask_plain(self, statement: str) -> list[Row]:
        """A statement without values, for the schema."""
        with port_errors():
            return await self._execute(statement, SCHEMA)

    async def write_together(
        self, statement: str, values: Sequence[Sequence[object]], profile: str = LOAD
    ) -> None:
        """Unconditional writes of one replica set, in one request; each happens or not by itself, but those
        of one partition together."""

        async def once(timeout_s: float | None) -> list[Row]:
            prepared = await self._prepare(statement)
            batch = BatchStatement(BatchType.UNLOGGED)
            batch.is_idempotent = True
            for each in values:
                batch.add(prepared, each)
            return await self._execute(batch, profile, timeout_s)

        await self._repeated(statement, profile, once)

    async def scan(self, statement: str, values: Sequence[object]) -> AsyncIterator[list[Row]]:
        """The pages of a long answer."""
        prepared = await self._prepare(statement)
        bound = prepared.bind(values)
        bound.fetch_size = _SCAN_PAGE_ROWS
        pages: asyncio.Queue[list[Row] | Exception] = asyncio.Queue()
        with port_errors():
            answer = self._send(await self.connected(), bound, SCAN, pages.put_nowait)
            while True:
                page = await pages.get()
                if isinstance(page, Exception):
                    raise page
                yield page
                if not answer.has_more_pages:
                    return
                answer.start_fetching_next_page()

    def replicas(self, routing_key: bytes) -> frozenset[object]:
        """What tells one replica set from another; nothing before the connection is made."""
        if self._line is None:
            return frozenset()
        hosts = self._line.cluster.metadata.get_replicas(self.keyspace, routing_key)
        return frozenset(host.host_id for host in hosts)

    async def close(self) -> None:
        """End all connections; later requests raise StoreUnavailableError."""
        if self._closed:
            return
        self._closed = True
        while self._dialling is not None:
            self._reactor.cut()  # again and again: the driver goes on to the next node
            await asyncio.wait([self._dialling], timeout=_CUT_EVERY_S)
        if self._line is not None:
            await self._loop.run_in_executor(None, self._line.cluster.shutdown)
        for outcome in list(self._waiting):
            if not outcome.done():
                outcome.set_exception(StoreUnavailableError("the store was closed"))

    async def _prepare(self, statement: str) -> PreparedStatement:
        line = await self.connected()
        prepared = self._prepared.get(statement)
        if prepared is None:
            with port_errors():
                prepared = await self._loop.run_in_executor(None, _prepare, line.session, statement)
            self._prepared[statement] = prepared
        return prepared

    async def _execute(self, statement: object, profile: str, timeout_s: float | None = None) -> list[Row]:
        """A caller that is cancelled leaves; its place is free when the driver is done.

        timeout_s   None: the profile's
        """
        line = await self.connected()
        await self._places.acquire()
        outcome: asyncio.Future[list[Row]] = self._loop.create_future()
        self._waiting.add(outcome)
        outcome.add_done_callback(self._waiting.discard)

        begun_s = self._loop.time()

        def settle(answer: list[Row] | Exception) -> None:
            self._places.release()
            if profile == READ:
                self._pace.answered(self._loop.time() - begun_s)
            if outcome.done():
                return
            if isinstance(answer, Exception):
                outcome.set_exception(answer)
            else:
                outcome.set_result(answer)

        ask_driver = partial(self._send, line, statement, profile)
        try:
            if profile == READ and isinstance(statement, BoundStatement):
                limit_s = self._settings.request_timeout_s if timeout_s is None else timeout_s
                line.straight.begin(statement, limit_s, ask_driver, settle)
            else:
                ask_driver(settle, timeout_s)
        except Exception as error:
            settle(error)
        return await outcome

    def _send(
        self,
        line: _Line,
        statement: object,
        profile: str,
        settle: Settle,
        timeout_s: float | None = None,
    ) -> ResponseFuture:
        def hand_over(answer: list[Row] | Exception | None) -> None:
            with contextlib.suppress(ConnectionShutdown):  # the loop has ended
                self._reactor.on_loop(partial(settle, [] if answer is None else answer))

        limit = {} if timeout_s is None else {"timeout": timeout_s}
        answer = line.session.execute_async(statement, execution_profile=profile, **limit)
        answer.add_callbacks(hand_over, hand_over)
        return answer

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store is closed")


def _dial(settings: CassandraSettings, pace: HedgePace, reactor: type[LoopConnection]) -> _Line:
    """Blocks until connected. Raises StoreUnusableError or StoreUnavailableError."""
    cluster = make_cluster(settings, pace, reactor)
    try:
        with port_errors():
            session = cluster.connect()
            return _Line(cluster, session, StraightReads(session, reactor, settings.datacentre, pace))
    except BaseException:
        cluster.shutdown()
        raise


def _prepare(session: Session, statement: str) -> PreparedStatement:
    """Blocks. The driver asks one node only, each time the next one: a frozen one is passed over."""
    for _ in range(_REPEATS):
        with contextlib.suppress(OperationTimedOut):
            return session.prepare(statement)
    return session.prepare(statement)
