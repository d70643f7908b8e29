"""One edge with real processes and a small cell, for tests that kill, stop and drain."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from bench.servers.ports import free_port
from lookup.assignment import Assignment
from lookup.keys import user_key
from lookup.stores.sqlite import SqliteStore
from proxy.config import load
from proxy.rooms.mint import DEMO_KEYS, load_signing_key, mint_token, write_demo_keys
from proxy.tiers import open_tiers
from tests.proxy.observe.reading import Scrape
from tests.proxy.workers.connections import Answer, Connection, SlowCell

CONFIGS: Final = Path(__file__).resolve().parents[3] / "configs"


HOMECELL: Final = Path(sys.executable).with_name("homecell")


REAL_WORKER: Final = "proxy.worker"


CELL: Final = "eu-west-1-cell-01"


USER: Final = "7"


DEADLINE_S: Final = 60.0


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


async def homecell(stage: Stage, *arguments: str) -> tuple[int, str]:
    """The command's exit status and all that it said."""
    process = await asyncio.create_subprocess_exec(
        HOMECELL,
        *arguments,
        "--config",
        stage.folder / "edge.yaml",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


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
