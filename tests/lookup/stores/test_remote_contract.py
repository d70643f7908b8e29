from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bench.servers.ports import free_port
from lookup.assignment import NO_EPOCH, Assignment
from lookup.client import LookupClient
from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.stores.remote import RemoteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.lookup.service.site import READ_TOKEN, WRITE_TOKEN, served
from tests.lookup.stores.contract import FeedingStore, OpenStore, StoreContract

_REFUSALS = ("is at home in", "only a move makes a record", "is being moved to", "this service's clock says")


class StoreWithOthers(RemoteStore):
    """One whose users somebody else moves: what a service refuses to write, the database does."""

    def __init__(self, client: LookupClient, database: FeedingStore) -> None:
        super().__init__(client)
        self._database = database

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        try:
            await super().compare_and_set(new, expected_epoch)
        except ValueError as refused:
            _insist_on_refusal(refused)
            await self._database.compare_and_set(new, expected_epoch)

    async def load(self, assignments: Iterable[Assignment]) -> int:
        given = list(assignments)
        try:
            return await super().load(given)
        except ValueError as refused:
            _insist_on_refusal(refused)
            return await self._database.load(given)


def _insist_on_refusal(error: ValueError) -> None:
    if not any(told in str(error) for told in _REFUSALS):
        raise error


@pytest.fixture
def open_store(tmp_path: Path) -> OpenStore:
    """Each opening has a service of its own; all of them stand before one embedded store."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[FeedingStore]:
        async with served(tmp_path) as (database, asker):
            store = StoreWithOthers(LookupClient(asker.url, WRITE_TOKEN), database)
            try:
                yield store
            finally:
                await store.close()

    return opened


class TestRemoteStore(StoreContract):
    """A lookup service as store, over real sockets."""

    @pytest.mark.slow
    def test_reads_very_many_keys_at_once(self, open_store: OpenStore) -> None:
        super().test_reads_very_many_keys_at_once(open_store)


@asynchronous
async def test_a_service_that_is_away_is_unavailable_not_unusable(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{READ_TOKEN}\n")
    store = RemoteStore.at(f"http://127.0.0.1:{free_port()}", token_file)
    with pytest.raises(StoreUnavailableError) as failure:
        await store.read(["user:1"])
    assert not isinstance(failure.value, StoreUnusableError)
    with pytest.raises(StoreUnavailableError):
        await anext(store.follow())
    await store.close()


@pytest.mark.parametrize(("token", "status"), [("x" * 40, "401"), (READ_TOKEN, "403")])
def test_a_token_that_does_not_permit_it_is_told_with_the_mend(
    tmp_path: Path, token: str, status: str
) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (_, asker):
            store = RemoteStore(LookupClient(asker.url, token))
            with pytest.raises(StoreUnusableError, match=f"{status} .*; give this client a token"):
                await store.compare_and_set(home("user:1"), NO_EPOCH)
            await store.close()

    scenario()


@pytest.mark.parametrize("text", ["", "short\n", f"read {READ_TOKEN}\n"])
def test_a_token_file_without_a_token_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(StoreUnusableError, match="not one token"):
        RemoteStore.at("http://127.0.0.1:1", path)


def test_limits_that_no_service_waits_for_are_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{READ_TOKEN}\n")
    with pytest.raises(StoreUnusableError, match=r"cell_request_limit_s are 9000 s together.*lower them"):
        RemoteStore.at("http://127.0.0.1:1", path, 9000.0)


@pytest.mark.parametrize("body", ["{}", "<html>", '{"homes": [{}], "flags": [[]], "moves": 1}'])
def test_something_else_at_that_url_is_told_with_the_mend(body: str) -> None:
    @asynchronous
    async def scenario() -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=body)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        store = RemoteStore(LookupClient(f"http://127.0.0.1:{runner.addresses[0][1]}", READ_TOKEN))
        for ask in (store.read(["user:1"]), store.flags(), store.history(0.0), store.load([home("user:1")])):
            with pytest.raises(StoreUnusableError, match="correct the URL"):
                await ask
        await store.close()
        await runner.cleanup()

    scenario()
