"""An edge with real workers before two cells that note every request, for tests in which users move."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers.ports import free_port
from lookup.assignment import NO_EPOCH, Assignment
from lookup.stores.sqlite import SqliteStore
from proxy.cli.acknowledgement import ask_workers
from proxy.cli.admin_port import AdminUnreachableError
from proxy.model import Endpoint
from proxy.rooms.mint import DEMO_KEYS, load_signing_key, mint_token
from proxy.tiers import open_tiers
from tests.proxy.config.site import Site
from tests.proxy.workers.stage import until

HOMECELL: Final = Path(sys.executable).with_name("homecell")
CELLS: Final = ("eu-1", "eu-2")
_CELL: Final = """\
  - name: {name}
    jurisdiction: eu
    region: eu-west
    endpoints: ["127.0.0.1:{port}"]
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as a cell saw it, from the first byte of its head to its answer (Unix ns)."""

    method: str
    user: str
    epoch: int
    begun_at_ns: int
    ended_at_ns: int


class NotingCell:
    """Answers everything with its name after `work_s`; `seen` is complete requests, in order of their end."""

    def __init__(self, name: str, work_s: float) -> None:
        self.name = name
        self.seen: list[Seen] = []
        self._work_s = work_s
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def writes(self) -> list[Seen]:
        return [request for request in self.seen if request.method == "POST"]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with suppress(EOFError, ConnectionError):
            while True:
                await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        begun_at_ns = time.time_ns()
        fields = fields_of(head)
        await reader.readexactly(int(fields.get("content-length", "0")))
        await asyncio.sleep(self._work_s)
        body = self.name.encode()
        method, target = head.split()[:2]
        epoch = int(fields.get("x-home-cell-epoch", "-1"))
        self.seen.append(Seen(method, target.removeprefix("/"), epoch, begun_at_ns, time.time_ns()))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def fields_of(head: str) -> dict[str, str]:
    """The fields of a head, names in lower case."""
    pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    return {name.lower(): value for name, value in pairs}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: str


class Client:
    """One connection; `credential` is a whole field line."""

    def __init__(self, port: int, credential: str) -> None:
        self._port = port
        self._credential = credential
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, user: str, cookie: str = "") -> Answer:
        """One exchange, on the same connection as the one before."""
        reader, writer = self._ends or await asyncio.open_connection("127.0.0.1", self._port)
        self._ends = (reader, writer)
        more = f"Cookie: {cookie}\r\n" if cookie else ""
        length = "Content-Length: 2\r\n\r\nhi" if method == "POST" else "\r\n"
        writer.write(
            f"{method} /{user} HTTP/1.1\r\nHost: edge.example\r\n{self._credential}{more}{length}".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = fields_of(head)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        return Answer(int(head.split()[1]), fields, body.decode())

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].close()


@dataclass
class MovingStage:
    """A running edge with two workers; users 1 to 3 live in eu-1, by their first epoch."""

    site: Site
    port: int
    cells: dict[str, NotingCell]
    process: asyncio.subprocess.Process

    def token(self, user: str, cell: str = "", epoch: int = NO_EPOCH) -> str:
        file = DEMO_KEYS["HS256"][1]
        return mint_token(
            load_signing_key("k1", "HS256", self.site.folder / "keys" / file),
            subject=user,
            issuer="https://id.example",
            audience="demo",
            now_s=time.time(),
            lifetime_s=3600,
            cell=cell,
            epoch=epoch,
        )

    def bearer(self, user: str, cell: str = "", epoch: int = NO_EPOCH) -> Client:
        return Client(self.port, f"Authorization: Bearer {self.token(user, cell, epoch)}\r\n")

    async def homecell(self, *arguments: str) -> tuple[int, str]:
        """The command's exit status and everything it said."""
        process = await asyncio.create_subprocess_exec(
            HOMECELL,
            *arguments,
            "--config",
            self.site.edge,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()


async def _seed(site: Site) -> None:
    settings = site.load()
    if settings.store.path is not None:
        await (await SqliteStore.open(settings.store.path, create=True)).close()
    tiers = open_tiers(settings)
    await tiers.store.load(
        Assignment(f"user:{user}", "eu-1", "eu", 1, updated_at_s=time.time() - 60) for user in "123"
    )
    await tiers.close()


@asynccontextmanager
async def moving_stage(site: Site, work_s: float = 0.01) -> AsyncIterator[MovingStage]:
    """The edge inside the block, and nothing of it after."""
    ports = {name: free_port() for name in CELLS}
    cells = {name: NotingCell(name, work_s) for name in CELLS}
    for name, cell in cells.items():
        await cell.start(ports[name])
    listen, admin = free_port(), free_port()
    edge = site.edge.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{listen}", 1)
    edge = edge.replace("127.0.0.1:9080", f"127.0.0.1:{admin}", 1)
    edge = edge.replace("limits:\n", "limits:\n  cell_request_limit_s: 1\n", 1)
    site.write(edge, "cells:\n" + "".join(_CELL.format(name=name, port=ports[name]) for name in CELLS))
    await _seed(site)
    log = site.folder / "edge.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            HOMECELL, "proxy", "--config", site.edge, stderr=output
        )
    try:

        async def ready() -> bool:
            assert process.returncode is None, log.read_text()
            with suppress(AdminUnreachableError):
                workers = await asyncio.to_thread(ask_workers, Endpoint("127.0.0.1", admin))
                return [worker.ready for worker in workers] == [True, True]
            return False

        await until(ready, "both workers serve")
        yield MovingStage(site, listen, cells, process)
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGTERM)
            await process.wait()
        for cell in cells.values():
            await cell.close()
