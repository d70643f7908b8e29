"""The lookup service over a store of hashed keys: programs ask for keys, edges for hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from lookup.assignment import NO_EPOCH
from lookup.client import LookupClient
from lookup.key_mark import KeySpellingError, insist_on_spelling
from lookup.keys import AS_THEY_ARE, MARK, KeySpelling
from lookup.service.forms import record_form
from lookup.service.run import running
from lookup.stores.remote import RemoteStore
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.site import SETTINGS, WRITE_TOKEN, served, tokens
from tests.lookup.service.test_service import slug

SPELLING = KeySpelling(b"0123456789abcdef")
KEPT = SPELLING.stored("user:1")


@asynccontextmanager
async def client_of_hashes(folder: Path) -> AsyncIterator[tuple[SqliteStore, LookupClient]]:
    store = await SqliteStore.open(folder / "home.sqlite", create=True)
    await insist_on_spelling(store, SPELLING, NOW_S)
    service = running(store, tokens(folder), SETTINGS, "127.0.0.1", 0, spelling=SPELLING)
    async with service as port, LookupClient(f"http://127.0.0.1:{port}", WRITE_TOKEN) as client:
        yield store, client
    await store.close()


@asynchronous
async def test_a_program_asks_for_keys_and_the_store_holds_hashes(tmp_path: Path) -> None:
    async with client_of_hashes(tmp_path) as (store, client):
        assert (await client.place("user:1", "cell-a", "eu")).key == KEPT
        assert (await store.read([KEPT]))[KEPT].cell == "cell-a"
        batch = await client.get_many(["user:1", "user:2"])
        assert {asked: found.key for asked, found in batch.homes.items()} == {"user:1": KEPT}
        assert batch.unknown == ["user:2"]


@asynchronous
async def test_an_edge_that_hashes_uses_the_service_as_its_store(tmp_path: Path) -> None:
    async with client_of_hashes(tmp_path) as (_, client):
        edge = RemoteStore(client)
        await insist_on_spelling(edge, SPELLING, NOW_S)
        await edge.compare_and_set(home(KEPT), NO_EPOCH)
        assert (await edge.read([KEPT]))[KEPT].cell == "cell-a"


@asynchronous
async def test_a_service_that_spells_keys_otherwise_lets_nobody_mark_its_store(tmp_path: Path) -> None:
    """The mark would lock all programs out that spell them as the store does."""
    async with served(tmp_path) as (store, service):
        edge = RemoteStore(LookupClient(service.url, WRITE_TOKEN))
        with pytest.raises(KeySpellingError, match="give all programs the same"):
            await insist_on_spelling(edge, SPELLING, NOW_S)
        await edge.close()
        record = {**record_form(home(MARK)), "updated_at_s": NOW_S}
        for method, path, form in (
            ("POST", f"/v1/keys/{quote(MARK)}:place", {"jurisdiction": "eu", "cell": "cell-a"}),
            ("POST", f"/v1/keys/{quote(MARK)}:place", {"jurisdiction": "eu"}),
            ("PUT", f"/v1/keys/{quote(MARK)}", {"home": record, "expected_epoch": None}),
            ("POST", "/v1/homes:load", {"homes": [record]}),
        ):
            status, problem = await service.ask(method, path, form)
            assert (status, slug(problem)) == (400, "invalid-request")
        await insist_on_spelling(store, AS_THEY_ARE, NOW_S)


@asynchronous
async def test_an_edge_without_the_secret_is_refused_at_its_start(tmp_path: Path) -> None:
    async with client_of_hashes(tmp_path) as (_, client):
        for spelling in (AS_THEY_ARE, KeySpelling(b"another-secret-of-enough-bytes")):
            with pytest.raises(KeySpellingError):
                await insist_on_spelling(RemoteStore(client), spelling, NOW_S)


@pytest.mark.parametrize("spelling", [AS_THEY_ARE, SPELLING])
def test_a_key_is_answered_as_it_was_asked_for_whoever_is_asked(
    tmp_path: Path, spelling: KeySpelling
) -> None:
    @asynchronous
    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
        await store.load([home(spelling.stored("email:ann@x.org")), home(spelling.stored("user:1"))])
        service = running(store, tokens(tmp_path), SETTINGS, "127.0.0.1", 0, spelling=spelling)
        async with service as port, LookupClient(f"http://127.0.0.1:{port}", WRITE_TOKEN) as client:
            asked = {"email:Ann@X.org", "email:ann@x.org", "user:1"}
            keys = [*asked, "email:Bob@X.org"]
            batch = await client.get_many(keys)
            assert (set(batch.homes), batch.unknown) == (asked, ["email:Bob@X.org"])
            assert set(await client.read(keys)) == asked
            assert set(await client.confirm(keys)) == asked
        await store.close()

    scenario()
