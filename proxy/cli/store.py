"""The store of a config for one command: opened, asked, closed. Out of reach, it ends the command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from lookup.ports import FeedingStore, StoreUnavailableError
from lookup.stores.sqlite import SqliteStore
from proxy.cli.answers import UnreachableError, UsageMistakeError
from proxy.config.lookup_models import Store

T = TypeVar("T")


def with_any_store(place: Store, work: Callable[[FeedingStore], Awaitable[T]]) -> T:
    """What `work` makes of the store, of whatever kind it is."""
    url, token_file = place.url, place.token_file
    if url is None or token_file is None:
        return with_store(place.path, work)

    async def run() -> T:
        from lookup.stores.remote import RemoteStore

        store = RemoteStore.at(url, token_file)
        try:
            return await work(store)
        finally:
            await store.close()

    return _run(run())


def with_store(path: Path | None, work: Callable[[SqliteStore], Awaitable[T]]) -> T:
    """What `work` makes of the database at the path; None: there is none here, which ends the command."""
    if path is None:
        raise UsageMistakeError(
            "This needs the database, not a lookup service.", "run it where the database is"
        )

    async def run() -> T:
        store = await SqliteStore.open(path)
        try:
            return await work(store)
        finally:
            await store.close()

    return _run(run())


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except StoreUnavailableError as error:
        what, _, mend = str(error).partition("; ")
        raise UnreachableError(what, mend or "try again, or see whether its disk is well") from error
