"""A lookup service that moves users: a real store, a real server of webhooks, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Final

from aiohttp import web

from lookup.client import LookupClient
from lookup.hooks import ConfiguredHooks
from lookup.leases import Lease
from lookup.mover import Patience
from lookup.moves import Position, Step
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan
from lookup.service.moves import Moving
from lookup.stores.sqlite import SqliteStore
from tests.lookup.fakes import home
from tests.lookup.service.site import WRITE_TOKEN, Asker, serving
from tests.lookup.test_hooks import served as hooks_served

CELLS: Final = (CellRoom("cell-a", "eu"), CellRoom("cell-b", "eu"), CellRoom("us-1", "us"))
PLAN: Final = PlacementPlan(CELLS, {"eu": ("eu",), "us": ("us", "eu")}, ShareLimits())
ORDER: Final = {"operation": "op-1", "key": "user:1", "target": "cell-b"}


NO_CELLS: Final[Mapping[str, str]] = {}


def edges(unlisted: Mapping[str, str]) -> Callable[[str], Awaitable[str]]:
    """Running edges that do not list these cells, and what is said of that."""

    async def amiss(cell: str) -> str:
        return unlisted.get(cell, "")

    return amiss


@dataclass(slots=True)
class Mover:
    """A service that moves users, its store, and the webhooks that it calls; `gate` holds copies up."""

    store: SqliteStore
    service: Asker
    client: LookupClient
    hooks: ConfiguredHooks
    told: list[tuple[str, object]]
    gate: asyncio.Event
    hung_up: list[str] = field(default_factory=list)

    async def reached(self, operation: str, step: Step) -> bool:
        status = await self.client.moves.get(operation)
        return status is not None and status.move.step is step

    async def is_copying(self) -> bool:
        """Whether the webhook was called: the step is noted a little earlier."""
        return any(kind == "copy" for kind, _ in self.told)

    async def lease(self, position: Position, number: int) -> None:
        lease = Lease("w1", number, position, frozenset(), time() + 1000.0, 30.0)
        assert await self.store.renew_lease(lease)


@asynccontextmanager
async def mover(
    folder: Path,
    most: int = 16,
    kind: type[SqliteStore] = SqliteStore,
    acknowledge_s: float = 10.0,
    unlisted: Mapping[str, str] = NO_CELLS,
) -> AsyncIterator[Mover]:
    told: list[tuple[str, object]] = []
    hung_up: list[str] = []
    gate = asyncio.Event()
    gate.set()

    async def copy(request: web.Request) -> web.Response:
        form = await request.json()
        told.append(("copy", form))
        try:
            await gate.wait()
        except asyncio.CancelledError:
            hung_up.append(form["key"])
            raise
        return web.Response(status=204)

    async def verify(request: web.Request) -> web.Response:
        told.append(("verify", await request.json()))
        return web.Response()

    store = await kind.open(folder / "home.sqlite", create=True)
    await store.load([home("user:1"), home("user:2"), home("user:3", "us-1")])
    async with hooks_served(copy=copy, verify=verify) as url:
        hooks = ConfiguredHooks(f"{url}/copy", f"{url}/verify", 30.0)
        moving = Moving(store, hooks, Patience(acknowledge_s), most, "the service", edges(unlisted))
        async with (
            serving(store, folder, PLAN, moving) as service,
            LookupClient(service.url, WRITE_TOKEN) as client,
        ):
            yield Mover(store, service, client, hooks, told, gate, hung_up)
    await store.close()


def slug(problem: dict[str, object]) -> str:
    return str(problem["type"]).rpartition("/")[2]
