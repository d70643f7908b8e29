"""An edge of real parts before scripted cells, all in one loop. Its time passes only when a test says so.

`@staged` runs a test that is a coroutine on uvloop, between the stage's building and its closing; the closing
insists that nothing was left behind: no request in flight, no connection, no exception that nobody saw.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from math import inf
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, cast

import uvloop

from lookup.assignment import Assignment, State
from lookup.confirm import Confirmations
from lookup.fence import Fence
from lookup.flags import Flag, FlagRecord
from lookup.observer import SILENT
from lookup.ports import History
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from proxy.cells.addresses import Addresses
from proxy.cells.flags import FlagBoard
from proxy.forward.downstream import Downstream
from proxy.forward.edge import Edge, Timeouts
from proxy.forward.link import CellLink
from proxy.forward.outbox import Outbox
from proxy.forward.pool import Pool
from proxy.forward.snapshot import Snapshot
from proxy.forward.wheel import DeadlineWheel
from proxy.observe import layout
from proxy.observe.access_log import AccessLog
from proxy.observe.meters import Meters
from proxy.rooms.residency import permitted_users
from proxy.rooms.routes import Route, Routes, StaticReply
from tests.support.cells import HOST, ScriptedCell
from tests.support.credentials import new_identify, new_routing_cookies
from tests.support.ends import End, until
from tests.support.homes import HomeStore

P = ParamSpec("P")

TEST_DEADLINE_S: Final = 120.0

HEAD_S: Final = 10.0
BODY_S: Final = 30.0
IDLE_S: Final = 75.0
REQUEST_S: Final = 3.0
CELL_IDLE_S: Final = 4.0
LINGER_S: Final = 30.0
CONNECT_S: Final = 5.0
"""Real seconds, unlike the others: the one limit that asyncio keeps instead of the wheel."""

ALLOW: Final = {"eu": ("eu",), "us": ("us", "eu"), "ch": ("ch",)}
"""The edge stands in eu: it may carry users of eu and, to eu or us, those of us, but none of ch."""

EDGE_URLS: Final = {"eu": "https://eu.example", "us": "https://us.example", "ch": "https://ch.example"}

STATIC: Final = StaticReply(200, "text/plain", b"come back later")
ROUTES: Final = (
    Route(b"/", False, None, 1 << 30),
    Route(b"/static", False, STATIC, 1 << 30),
    Route(b"/open", True, None, 1 << 30),
    Route(b"/small", False, None, 100),
)

LogLine = dict[str, str | int | float | list[str]]


class Stage:
    """Three cells, a few users, one edge.

    users 1, 2      at home in eu-1, with epochs 3 and 4; 5 in eu-2; 7 (of us) in us-1; 9 (of ch) in eu-2
    user 8          being moved from eu-1 to eu-2
    any other       has no home
    errors          what went wrong in callbacks and tasks
    """

    edge: Edge
    resolver: Resolver

    def __init__(self, folder: Path) -> None:
        self.log_file = folder / "access.log"
        self.store = HomeStore()
        self.cells = {
            name: ScriptedCell(name, jurisdiction, index)
            for index, (name, jurisdiction) in enumerate((("eu-1", "eu"), ("eu-2", "eu"), ("us-1", "us")))
        }
        self.cell = self.cells["eu-1"]
        self.row = memoryview(bytearray(8 * layout.row_length(len(self.cells)))).cast("q")
        self.errors: list[dict[str, Any]] = []
        self._clients: list[End] = []
        for user, cell, jurisdiction, epoch in (
            (1, "eu-1", "eu", 3),
            (2, "eu-1", "eu", 4),
            (5, "eu-2", "eu", 5),
            (7, "us-1", "us", 6),
            (9, "eu-2", "ch", 7),
        ):
            self.store.place(Assignment(f"user:{user}", cell, jurisdiction, epoch))
        self.store.place(Assignment("user:8", "eu-1", "eu", 8, State.MOVING, "eu-2"))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.errors.append(context))
        self._server = await loop.create_server(self._accept, HOST, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        for cell in self.cells.values():
            await cell.open()
        self.edge = self._new_edge(loop)
        return self

    def _accept(self) -> asyncio.Protocol:
        return cast("asyncio.Protocol", Downstream(self.edge))

    def _new_edge(self, loop: asyncio.AbstractEventLoop) -> Edge:
        meters = Meters(self.row)
        wheel = DeadlineWheel(loop.time())
        outbox = Outbox(loop)
        lookup = LookupSettings(deadline_s=20.0)
        self.resolver = build_resolver(self.store, lookup, Random(1))
        fence = Fence(LINGER_S)
        fence.lease_until_s = inf
        self.resolver.learn_history(History(0.0, ()), 0.0)
        self.resolver.forget_moves_before(0.0)
        self.resolver.believe_claims_until(inf)
        cookies = new_routing_cookies()
        links = {name: self._new_link(cell, wheel, outbox, meters) for name, cell in self.cells.items()}
        return Edge(
            loop=loop,
            jurisdiction="eu",
            snapshot=Snapshot(1, links, Routes(ROUTES), FlagBoard((), time.time()), EDGE_URLS),
            identify=new_identify(cookies),
            cookies=cookies,
            resolver=self.resolver,
            confirmations=Confirmations(self.store.confirm, lookup, SILENT),
            fence=fence,
            outbox=outbox,
            meters=meters,
            access_log=AccessLog(str(self.log_file), "edge-eu", 0, meters),
            wheel=wheel,
            timeouts=Timeouts(HEAD_S, BODY_S, IDLE_S, REQUEST_S),
            connection_limit=1000,
            trusted_networks=(),
        )

    def _new_link(self, cell: ScriptedCell, wheel: DeadlineWheel, outbox: Outbox, meters: Meters) -> CellLink:
        described = cell.description()
        pool = Pool(described.endpoints, Addresses([HOST]), wheel, outbox, CELL_IDLE_S, CONNECT_S, 100)
        permitted = permitted_users(ALLOW, "eu", cell.jurisdiction)
        return CellLink(described, permitted, meters.cells[described.index], pool)

    async def __aexit__(
        self, failure: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.break_off()
        for cell in self.cells.values():
            await cell.shut()
            for end in cell.accepted:
                end.break_off()
        if failure is None:
            await self.settled()
            await until(lambda: not self.edge.connections, "every client connection is over")
            self._insist_on_order()
        self._server.close()
        await self.edge.confirmations.close()
        await self.resolver.close()
        for link in self.edge.snapshot.links.values():
            link.pool.close_idle()
        self.edge.access_log.close()
        await asyncio.sleep(0)

    def _insist_on_order(self) -> None:
        edge = self.edge
        assert not self.errors, self.errors
        assert edge.in_flight == 0
        assert not any(link.retrying for link in edge.snapshot.links.values())
        for name in (*self.cells, ""):
            assert self.counted(layout.IN_FLIGHT, name) == 0, f"requests in flight for {name or 'no cell'}"
        assert self.row[layout.CONNECTIONS] == 0

    async def settled(self) -> None:
        """Wait until no request is in flight."""
        await until(lambda: self.edge.in_flight == 0, "no request is in flight")

    # What a test says.

    async def client(self) -> End:
        """A client, connected; the proxy knows of it."""
        known = len(self.edge.connections)
        _, end = await asyncio.get_running_loop().create_connection(End, HOST, self.port)
        self._clients.append(end)
        await until(lambda: len(self.edge.connections) > known, "the proxy has accepted")
        return end

    async def serve(
        self, client: End, request: bytes, cell: str = "eu-1", line: bytes = b"Content-Length: 0"
    ) -> tuple[bytes, bytes]:
        """One exchange, over the cell's newest connection; returns the heads that cell and client got.

        line    the only field line of the reply
        """
        known = self.cells[cell].accepted
        client.send(request)
        end = known[-1] if known and not known[-1].gone else await self.cells[cell].connection()
        seen = await end.take_head()
        end.send(b"HTTP/1.1 204 No Content\r\n" + line + b"\r\n\r\n")
        return seen, await client.take_head()

    def pass_time(self, seconds: float) -> None:
        """Let the proxy's time go on by this much, a little more, for the wheel notices late."""
        wheel = self.edge.wheel
        wheel.advance(wheel.now_s + seconds + 0.4)

    def flag(self, cell: str, flag: Flag) -> None:
        """An operator's word on a cell; requests that were not sent yet see it."""
        edge = self.edge
        board = edge.snapshot.board
        version = board.versions.get(cell, 0) + 1
        record = FlagRecord(cell, flag, version, "test", "tester", time.time())
        edge.adopt(edge.snapshot.with_board(board.with_record(record, time.time())))

    def use_routes(self, *routes: Route) -> None:
        """Other routes, for requests that begin from now on."""
        old = self.edge.snapshot
        self.edge.snapshot = Snapshot(old.generation + 1, old.links, Routes(routes), old.board, old.edge_urls)

    # What a test asks.

    def pool(self, cell: str = "eu-1") -> Pool:
        """The proxy's connections to a cell."""
        return self.edge.snapshot.links[cell].pool

    def counted(self, counter: int, cell: str) -> int:
        """One of the counters in a cell's block of the row; "" is the block of requests that got no cell."""
        index = list(self.cells).index(cell) if cell else len(self.cells)
        self.edge.meters.publish()
        return self.row[layout.cell_start(index) + counter]

    def log(self) -> list[LogLine]:
        """The lines of the access log."""
        self.edge.access_log.flush()
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    async def logged(self) -> LogLine:
        """The only line of the access log, once no request is in flight."""
        await self.settled()
        lines = self.log()
        assert len(lines) == 1, lines
        return lines[0]

    async def insist_untouched(self) -> None:
        """Fails if any cell got a connection that the test has not taken."""
        for cell in self.cells.values():
            await cell.insist_untouched()


def staged(
    test: Callable[Concatenate[Stage, P], Coroutine[None, None, None]],
) -> Callable[..., None]:
    """The coroutine as a plain test function: on uvloop, with a deadline, on the open stage."""

    async def perform(stage: Stage, *args: P.args, **kwargs: P.kwargs) -> None:
        async with asyncio.timeout(TEST_DEADLINE_S), stage:
            await test(stage, *args, **kwargs)

    @wraps(test)
    def run(stage: Stage, *args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(perform(stage, *args, **kwargs))

    return run


@contextmanager
def standing(stage: Stage) -> Iterator[Callable[[Coroutine[None, None, None]], None]]:
    """The stage stays open while one coroutine after the other is run on it: for tests with many examples."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(stage.__aenter__())
        yield runner.run
        runner.run(stage.__aexit__(None, None, None))
