"""Sets the demo up and takes it down: keys, configs, servers, seeded store, cells, edges. Judges nothing."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from bench.demo.layout import HOMECELL, EdgeLayout, Layout, cell_url, hooks_port, hooks_url
from bench.demo.population import USERS, assignments
from bench.demo.processes import DemoError, Running, refuse_taken_ports, start, stop, wait_ready
from bench.demo.sample_cell import TALLY_PATH
from bench.demo.servers import Servers, servers
from bench.demo.tokens import Tokens
from lookup.ports import Store, StoreUnavailableError
from lookup.stores.sqlite import SqliteStore
from proxy.config import Settings, load
from proxy.model import Cell
from proxy.rooms.mint import write_demo_keys
from proxy.tiers import open_tiers

READY_S: Final = 20.0
_POLL_S: Final = 0.05
_SEED_ATTEMPTS: Final = 4
_TALLY_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0)

_FLAG_SAMPLE: Final = re.compile(
    r'^homecell_cell_flag\{cell="([^"]+)",flag="([^"]+)"\} 1(?:\.0)?$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process of an edge."""

    slot: int
    pid: int
    ready: bool


@dataclass(slots=True)
class Stage:
    """A demo that runs. `complaints` gathers, while it is ended, what did not end well."""

    layout: Layout
    settings: Settings
    tokens: Tokens
    session: aiohttp.ClientSession
    running: list[Running]
    servers: Servers | None
    complaints: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.settings.cells

    def edge(self, edge: EdgeLayout) -> Running:
        return next(running for running in self.running if running.name == edge.name)

    def died(self) -> list[str]:
        """The processes that have ended although nobody asked them to."""
        return [
            f"{r.name} ended with {r.process.returncode}"
            for r in self.running
            if r.process.returncode is not None
        ]

    async def until_an_edge_ends(self) -> None:
        """Raises DemoError as soon as an edge ends by itself. A cell may: that is worth watching."""
        edges = [self.edge(edge) for edge in self.layout.edges]
        waits = [asyncio.create_task(edge.process.wait()) for edge in edges]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        raise DemoError("; ".join(self.died()))

    async def workers(self, edge: EdgeLayout) -> list[Worker]:
        """The edge's workers, as its admin port shows them."""
        async with self.session.get(edge.admin_url + "/-/ready") as reply:
            shown = (await reply.json())["workers"]
        return [Worker(worker["slot"], worker["pid"], worker["state"] == "ready") for worker in shown]

    async def feed_state(self, edge: EdgeLayout) -> str:
        """ "heard", or what else the edge says of its feed."""
        async with self.session.get(edge.admin_url + "/-/ready") as reply:
            return str((await reply.json())["store"]["state"])

    async def wrong_in_cells(self) -> dict[str, int]:
        """How many requests of somebody else's users each cell was sent, by its own count: of those that
        answer."""
        told = await asyncio.gather(*map(self._wrong_in, self.cells))
        return {cell.name: wrong for cell, wrong in zip(self.cells, told, strict=True) if wrong is not None}

    async def _wrong_in(self, cell: Cell) -> int | None:
        try:
            async with self.session.get(hooks_url(cell) + TALLY_PATH, timeout=_TALLY_TIMEOUT) as reply:
                return int((await reply.json())["wrong"])
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def flags(self) -> dict[str, str]:
        """The flag of each cell as the EU edge applies it."""
        async with self.session.get(self.layout.eu.admin_url + "/metrics") as reply:
            return dict(_FLAG_SAMPLE.findall(await reply.text()))


@asynccontextmanager
async def running_demo(
    layout: Layout, say: Callable[[str], None], *, on_cassandra: bool = False, may_kill: bool = False
) -> AsyncIterator[Stage]:
    """Everything up and ready inside the block, and ended after it, whatever happens inside.

    say           is told of each step
    on_cassandra  homes are in Cassandra, with Redis before it, not in a file
    may_kill      those servers are to be the demo's own
    Raises DemoError when the demo can't start.
    """
    layout.directory.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as opened:
        opened.enter_context(_alone_in(layout.directory))
        below = None
        if on_cassandra:
            which = servers(layout.directory / "servers", say, may_kill=may_kill)
            below = await opened.enter_async_context(which)
        settings = _write_files(layout, below)
        refuse_taken_ports(_ports(layout, settings.cells))
        if below is not None:
            say(f"seeding {USERS:,} users into Cassandra, which takes a while ...")
        began_s = time.monotonic()
        written = await _seed(settings, below)
        say(
            f"seeded {written:,} users over {len(settings.cells)} cells in {time.monotonic() - began_s:.1f} s"
        )
        session = await opened.enter_async_context(aiohttp.ClientSession())
        stage = Stage(layout, settings, Tokens(layout.keys, settings), session, [], below)
        try:
            await _start_all(stage, say)
            yield stage
        finally:
            stage.complaints += await stop(stage.running)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            end = f"`kill {lock.read().strip()}`"
            raise DemoError(f"a demo runs in {directory} already; end it first ({end})") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _write_files(layout: Layout, below: Servers | None) -> Settings:
    write_demo_keys(layout.keys)
    layout.write_configs("" if below is None else below.config())
    shutil.rmtree(layout.directory / "snapshots", ignore_errors=True)  # what was known in an earlier demo
    return load(layout.config(layout.eu))


def _ports(layout: Layout, cells: tuple[Cell, ...]) -> dict[str, int]:
    ports: dict[str, int] = {cell.name: cell.endpoints[0].port for cell in cells}
    ports |= {f"{cell.name}, webhooks": hooks_port(cell) for cell in cells}
    for edge in layout.edges:
        ports[edge.name] = edge.port
        ports[f"{edge.name}, admin"] = edge.admin_port
    return ports


async def _seed(settings: Settings, below: Servers | None) -> int:
    """A new store with every user in it: flags and epochs of an earlier demo don't count."""
    if below is not None:
        await below.empty(settings)
    else:
        await _make_file(settings.store.path)
    tiers = open_tiers(settings)
    try:
        return await _load(tiers.store, settings)
    except StoreUnavailableError as error:
        raise DemoError(f"{settings.store.place} could not be seeded: {error}") from error
    finally:
        await tiers.close()


async def _load(store: Store, settings: Settings) -> int:
    """How many users the store holds then; what a busy machine interrupts is completed by doing it again."""
    records = list(assignments(settings.cells, time.time()))
    for _ in range(_SEED_ATTEMPTS - 1):
        with suppress(StoreUnavailableError):
            await store.load(records)
            break
    else:
        await store.load(records)
    held = sum((await store.count_by_cell()).values())
    if held != USERS:
        raise DemoError(f"only {held} of {USERS} users could be seeded into {settings.store.place}")
    return held


async def _make_file(path: Path | None) -> None:
    assert path is not None, "the demo's own config names it"
    for old in path.parent.glob(path.name + "*"):
        old.unlink()
    await (await SqliteStore.open(path, create=True)).close()


async def _start_all(stage: Stage, say: Callable[[str], None]) -> None:
    layout = stage.layout
    for cell in stage.cells:
        command = [sys.executable, "-m", "bench.demo.sample_cell", "--cell", cell.name]
        command += ["--config", str(layout.config(layout.eu))]
        stage.running.append(await start(cell.name, command, layout.log(cell.name)))
    for edge in layout.edges:
        command = [str(HOMECELL), "proxy", "--config", str(layout.config(edge))]
        stage.running.append(await start(edge.name, command, layout.log(edge.name)))
    for running, cell in zip(stage.running, stage.cells, strict=False):
        await wait_ready(running, hooks_url(cell) + TALLY_PATH, stage.session, READY_S)
        say(f"cell {cell.name} ({cell.region}) on {cell_url(cell)}")
    for edge in layout.edges:
        await wait_ready(stage.edge(edge), edge.admin_url + "/-/ready", stage.session, READY_S)
        await _all_workers_ready(stage, edge)
        say(f"{edge.name} on {edge.url}, admin on {edge.admin_url}")


async def _all_workers_ready(stage: Stage, edge: EdgeLayout) -> None:
    for _ in range(int(READY_S / _POLL_S)):
        if all(worker.ready for worker in await stage.workers(edge)):
            return
        await asyncio.sleep(_POLL_S)
    raise DemoError(f"{edge.name} has workers that are not ready after {READY_S:.0f} s")
