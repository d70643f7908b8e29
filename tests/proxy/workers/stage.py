"""One edge with real processes and a small cell, for tests that kill, stop and drain."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from lookup.assignment import Assignment
from lookup.keys import user_key
from lookup.stores.sqlite import SqliteStore
from proxy.config import load
from proxy.rooms.mint import DEMO_KEYS, load_signing_key, mint_token, write_demo_keys
from proxy.tiers import open_tiers
from tests.proxy.observe.reading import Scrape

CONFIGS: Final = Path(__file__).resolve().parents[3] / "configs"
REAL_WORKER: Final = "proxy.worker"
CELL: Final = "eu-west-1-cell-01"
USER: Final = "7"
DEADLINE_S: Final = 60.0
BIG_BYTES: Final = 60_000
HUGE_BYTES: Final = 256 << 20
_PIECE: Final = bytes(256 << 10)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def until(condition: Callable[[], Awaitable[bool]], what: str, within_s: float = DEADLINE_S) -> None:
    """Wait until the condition holds; fail the test, saying what was waited for, when it never does."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110  # other processes set no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {within_s:g} s in vain until {what}") from None


def runs(pid: int) -> bool:
    """Whether the process has not ended (one that nobody has waited for yet has)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] != b"Z"


class Answer(NamedTuple):
    """One reply: field names in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


async def write_huge(writer: asyncio.StreamWriter) -> None:
    """HUGE_BYTES, as fast as they are taken."""
    for _ in range(HUGE_BYTES // len(_PIECE)):
        writer.write(_PIECE)
        await writer.drain()


async def read_huge(reader: asyncio.StreamReader) -> None:
    """HUGE_BYTES, to the last."""
    left = HUGE_BYTES
    while left:
        piece = await reader.read(min(left, len(_PIECE)))
        assert piece, f"{left} bytes are missing"
        left -= len(piece)


class Connection:
    """One connection of a client, which asks one thing after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._token = token

    def send(self, path: str = "/", method: str = "GET") -> None:
        """Send a request without a body."""
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        fields = f"Host: edge.example\r\nAuthorization: Bearer {self._token}\r\n{length}"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())

    async def receive(self) -> Answer:
        """The next reply; EOFError or ConnectionError when there is none."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        fields = {name.lower(): value for name, value in pairs}
        body = await self._reader.readexactly(int(fields.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), fields, body)

    async def ask(self, path: str = "/", method: str = "GET") -> Answer:
        self.send(path, method)
        return await self.receive()

    async def download_huge(self) -> None:
        """Ask for /huge and read it; it stands still for a while first, so that all buffers fill."""
        self.stop_reading()
        self.send("/huge")
        await asyncio.sleep(1.0)
        self.go_on_reading()
        assert b" 200 " in await self._reader.readuntil(b"\r\n\r\n")
        await read_huge(self._reader)

    async def upload_huge(self) -> Answer:
        """Send as much to /huge."""
        fields = f"Host: edge.example\r\nAuthorization: Bearer {self._token}\r\nContent-Length: {HUGE_BYTES}"
        self._writer.write(f"POST /huge HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        await write_huge(self._writer)
        return await self.receive()

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a client's can be read from

    def go_on_reading(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._writer.close()


class SlowCell:
    """A cell that answers everything at once, but /hold only when `let_go` is set.

    /big is BIG_BYTES long, /huge HUGE_BYTES; a POST to /huge is read to its end.
    """

    def __init__(self) -> None:
        self.holding = 0
        self.let_go = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def close(self) -> None:
        self.let_go.set()
        assert self._server is not None
        self._server.close()
        for writer in self._serving.values():
            writer.close()
        await asyncio.gather(*filter(None, self._serving))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.current_task()] = writer
        with suppress(EOFError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /hold "):
                    self.holding += 1
                    await self.let_go.wait()
                    self.holding -= 1
                if head.startswith(b"GET /huge "):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
                    await write_huge(writer)
                    continue
                if head.startswith(b"POST /huge "):
                    await read_huge(reader)
                body = bytes(BIG_BYTES) if head.startswith(b"GET /big ") else b"ok"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()


@dataclass
class Stage:
    """A running edge; `said` is what it wrote on standard error."""

    folder: Path
    port: int
    admin_port: int
    cell: SlowCell
    token: str
    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "access.log"

    def log_lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_bytes().splitlines()]

    async def connect(self) -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port), self.token)

    async def ask(self, path: str = "/", method: str = "GET") -> Answer:
        """The answer on a connection of its own."""
        connection = await self.connect()
        try:
            return await connection.ask(path, method)
        finally:
            connection.close()

    async def admin(self, path: str) -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
        try:
            return await Connection(reader, writer, "").ask(path)
        finally:
            writer.close()

    async def metrics(self) -> Scrape:
        return Scrape((await self.admin("/metrics")).body.decode())

    async def workers(self) -> dict[int, tuple[int, str]]:
        """By slot: pid and state. Of two in one slot the one that serves or will."""
        told = json.loads((await self.admin("/-/ready")).body)["workers"]
        told.sort(key=lambda worker: worker["state"] != "draining")
        return {worker["slot"]: (worker["pid"], worker["state"]) for worker in told}

    async def all_ready(self, slots: int = 2) -> bool:
        """Whether each slot has a worker that serves."""
        with suppress(OSError, EOFError):
            states = [state for _, state in (await self.workers()).values()]
            return states == ["ready"] * slots and (await self.admin("/-/ready")).status == 200
        return False

    async def pid(self, slot: int) -> int:
        return (await self.workers())[slot][0]

    async def replaced(self, slot: int, old_pid: int) -> None:
        """Wait until another worker serves in the slot."""

        async def done() -> bool:
            pid, state = (await self.workers()).get(slot, (old_pid, ""))
            return pid != old_pid and state == "ready"

        await until(done, f"worker {slot} is replaced")

    async def ended(self) -> int:
        """Wait until the supervisor has ended; its exit status."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


def write_config(
    folder: Path,
    port: int,
    admin_port: int,
    cell_port: int,
    drain_timeout_s: float,
    sections: Mapping[str, object],
) -> Path:
    """A config of two workers and one cell in this folder, from the demo's; `sections` replace the demo's."""
    config = yaml.safe_load((CONFIGS / "demo.yaml").read_text())
    config["edge"] |= {"listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin_port}", "workers": 2}
    config["limits"] = {"drain_timeout_s": drain_timeout_s, "request_timeout_s": 60}
    config["lookup"]["deadline_s"] = 5  # what is proved here must not depend on how busy the machine is
    config |= sections
    cell = {"name": CELL, "jurisdiction": "eu", "region": "eu", "endpoints": [f"127.0.0.1:{cell_port}"]}
    (folder / "cells.yaml").write_text(yaml.safe_dump({"cells": [cell]}))
    path = folder / "edge.yaml"
    path.write_text(yaml.safe_dump(config).replace("../.demo/", ""))
    return path


async def _seed(config: Path) -> str:
    """Keys, and one user in the store; that user's token."""
    folder = config.parent
    write_demo_keys(folder / "keys")
    settings = load(config)
    if settings.store.path is not None:
        await (await SqliteStore.open(settings.store.path, create=True)).close()
    tiers = open_tiers(settings)
    if tiers.database is not None:  # what is behind a lookup service is the test's affair
        await tiers.store.load([Assignment(user_key(USER), CELL, "eu", epoch=1, updated_at_s=time.time())])
    await tiers.close()
    key_id, file = DEMO_KEYS["HS256"]
    return mint_token(
        load_signing_key(key_id, "HS256", folder / "keys" / file),
        subject=USER,
        issuer="https://id.homecell.example",
        audience="homecell-demo",
        now_s=time.time(),
        lifetime_s=3600,
    )


@asynccontextmanager
async def running(
    folder: Path,
    *,
    worker: Sequence[str] = (REAL_WORKER,),
    drain_timeout_s: float = 10.0,
    silent_s: float = 5.0,
    first_delay_s: float = 0.5,
    sections: Mapping[str, object] | None = None,
) -> AsyncIterator[Stage]:
    """An edge inside the block, and nothing of it after.

    `worker` is the module that its workers run, `sections` are those of its config that are not the demo's.
    """
    port, admin_port, cell_port = free_port(), free_port(), free_port()
    config = write_config(folder, port, admin_port, cell_port, drain_timeout_s, sections or {})
    token = await _seed(config)
    cell = SlowCell()
    await cell.start(cell_port)
    patience = (str(silent_s), str(first_delay_s))
    command = [sys.executable, "-m", "tests.proxy.workers.supervise", str(config), *patience, *worker]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    stage = Stage(folder, port, admin_port, cell, token, process)
    listening = asyncio.create_task(_listen(process, stage.said))
    pids: set[int] = set()
    try:
        yield stage
        with suppress(OSError, EOFError):
            pids = {pid for pid, _ in (await stage.workers()).values()}
    finally:
        await cell.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
        for pid in filter(runs, pids):
            os.kill(pid, signal.SIGKILL)
        await listening


async def started(stage: Stage) -> None:
    """Wait until both workers serve."""

    async def ready() -> bool:
        assert stage.process.returncode is None, "".join(stage.said)
        return await stage.all_ready()

    await until(ready, "both workers serve")


async def _listen(process: asyncio.subprocess.Process, said: list[str]) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        said.append(line.decode())
