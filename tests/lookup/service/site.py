"""A lookup service in the test's own loop, over a real embedded store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from lookup.keys import AS_THEY_ARE, KeySpelling
from lookup.placer import PlacementPlan
from lookup.ports import FeedingStore
from lookup.service.moves import Moving
from lookup.service.run import NO_PLAN, running
from lookup.service.tokens import Tokens, load_tokens
from lookup.settings import LookupSettings
from lookup.stores.sqlite import SqliteStore

READ_TOKEN: Final = "r" * 40
WRITE_TOKEN: Final = "w" * 40
NAMED_TOKEN: Final = "n" * 40
SETTINGS: Final = LookupSettings(deadline_s=5.0)


def write_tokens(folder: Path) -> Path:
    path = folder / "lookup.tokens"
    path.write_text(
        f"# the edges\nread {READ_TOKEN}\n\nwrite {WRITE_TOKEN}  # operators\nwrite {NAMED_TOKEN} billing\n"
    )
    return path


def tokens(folder: Path) -> Tokens:
    return load_tokens(write_tokens(folder))


class Asker:
    """Asks the service as any program would."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(
        self, method: str, path: str, form: object = None, token: str = WRITE_TOKEN
    ) -> tuple[int, dict[str, object]]:
        """Status and parsed body."""
        fields = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.request(method, self.url + path, json=form, headers=fields) as response:
            parsed = await response.json(content_type=None)
            assert isinstance(parsed, dict)
            if response.status >= 400:
                assert response.content_type == "application/problem+json"
                assert parsed["status"] == response.status
            return response.status, parsed

    async def text(self, path: str, token: str = READ_TOKEN) -> str:
        """A body as it is."""
        async with self._session.get(
            self.url + path, headers={"Authorization": f"Bearer {token}"}
        ) as response:
            return await response.text()


@asynccontextmanager
async def serving(
    store: FeedingStore,
    folder: Path,
    plan: PlacementPlan = NO_PLAN,
    moving: Moving | None = None,
    spelling: KeySpelling = AS_THEY_ARE,
) -> AsyncIterator[Asker]:
    """The service over that store inside the block."""
    service = running(
        store, tokens(folder), SETTINGS, "127.0.0.1", 0, plan=plan, moving=moving, spelling=spelling
    )
    async with (
        service as port,
        aiohttp.ClientSession() as session,
    ):
        yield Asker(session, f"http://127.0.0.1:{port}")


@asynccontextmanager
async def served(
    folder: Path, plan: PlacementPlan = NO_PLAN, spelling: KeySpelling = AS_THEY_ARE
) -> AsyncIterator[tuple[SqliteStore, Asker]]:
    """A new store and the service over it."""
    store = await SqliteStore.open(folder / "home.sqlite", create=True)
    try:
        async with serving(store, folder, plan, spelling=spelling) as asker:
            yield store, asker
    finally:
        await store.close()
