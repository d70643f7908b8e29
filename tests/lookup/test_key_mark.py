"""A store tells how its keys are spelled: a wrong secret is an error, not a store without users."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookup.assignment import NO_EPOCH
from lookup.key_mark import KeySpellingError, insist_on_spelling
from lookup.keys import AS_THEY_ARE, InvalidKeyError, KeySpelling, is_hash
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home

HASHED = KeySpelling(b"0123456789abcdef")
OTHER = KeySpelling(b"another-secret-of-enough-bytes")


async def store_in(folder: Path) -> SqliteStore:
    return await SqliteStore.open(folder / "homes.sqlite", create=True)


def test_a_key_is_hashed_once_and_in_the_same_way_wherever_it_comes_in() -> None:
    stored = HASHED.admit("email:Ann@Example.org")
    assert is_hash(stored)
    assert stored.startswith("email:#")
    assert stored == HASHED.stored("email:ann@example.org") == HASHED.stored(stored) == HASHED.admit(stored)
    assert stored != OTHER.admit("email:ann@example.org")
    assert HASHED.fingerprint != OTHER.fingerprint


def test_without_a_secret_keys_stay_as_they_are_and_hashes_are_no_keys() -> None:
    assert AS_THEY_ARE.admit("user:42") == "user:42"
    assert AS_THEY_ARE.fingerprint == ""
    with pytest.raises(InvalidKeyError, match="kept for hashed keys"):
        AS_THEY_ARE.admit(HASHED.stored("user:42"))


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes"):
        KeySpelling(b"x" * 15)


@asynchronous
async def test_an_empty_store_is_marked_and_counts_nobody_for_it(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    await insist_on_spelling(store, HASHED, NOW_S)
    await insist_on_spelling(store, KeySpelling(b"0123456789abcdef"), NOW_S)
    assert await store.count_by_cell() == {}
    await store.compare_and_set(home(HASHED.stored("user:1")), NO_EPOCH)
    assert await store.count_by_cell() == {"cell-a": 1}
    await store.close()


@asynchronous
async def test_another_secret_and_no_secret_are_refused_with_the_mend(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    await insist_on_spelling(store, HASHED, NOW_S)
    with pytest.raises(KeySpellingError, match=r"another secret.*put that secret back"):
        await insist_on_spelling(store, OTHER, NOW_S)
    with pytest.raises(KeySpellingError, match=r"hashed keys.*add `lookup.key_hash`"):
        await insist_on_spelling(store, AS_THEY_ARE, NOW_S)
    await store.close()


@asynchronous
async def test_a_store_of_keys_as_they_are_is_not_taken_for_one_of_hashes(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    await store.load([home("user:1")])
    await insist_on_spelling(store, AS_THEY_ARE, NOW_S)
    with pytest.raises(KeySpellingError, match=r"keys as they are.*remove `lookup.key_hash`"):
        await insist_on_spelling(store, HASHED, NOW_S)
    await store.close()


@asynchronous
async def test_of_two_secrets_that_begin_a_store_at_once_one_is_refused(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    refused = 0
    for spelling in (HASHED, OTHER):
        try:
            await insist_on_spelling(store, spelling, NOW_S)
        except KeySpellingError:
            refused += 1
    assert refused == 1
    await store.close()
