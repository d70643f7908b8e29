"""What may name what, and how feeds and caches spell it. The store is the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookup import feed_event
from lookup.aliases import (
    FREED,
    NAMES,
    AliasRefusedError,
    alias_in,
    answers,
    as_record,
    by_key,
    may_be_alias,
    name_home,
)
from lookup.assignment import Alias, Assignment
from lookup.feed_event import FeedEvent
from lookup.ports import EpochConflictError
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home

MAIL = Alias("email:a@x", "user:1", 3, NOW_S)


def test_only_keys_that_are_no_users_may_name_another_key() -> None:
    assert not may_be_alias("user:1")
    assert all(may_be_alias(key) for key in ("email:a@x", "apikey:k", "tenant:acme"))


def test_an_alias_spelled_as_a_record_is_told_from_a_record() -> None:
    assert alias_in(as_record(MAIL)) == MAIL
    assert alias_in(home("email:a@x")) is None


def test_a_record_answers_its_own_key_and_those_that_name_it() -> None:
    record = Assignment("user:1", "cell-a", "eu", 1, aliases=(MAIL,))
    assert answers(record, "user:1")
    assert answers(record, "email:a@x")
    assert not answers(record, "email:b@x")
    assert by_key([record], ["email:a@x", "user:2"]) == {"email:a@x": record}
    assert by_key([record], ["user:1", "email:a@x"]) == {"user:1": record, "email:a@x": record}


@pytest.mark.parametrize("alias", [MAIL, Alias("email:a@x", "", 4, NOW_S)])
def test_an_event_of_an_alias_survives_its_spelling(alias: Alias) -> None:
    event = FeedEvent("op", alias=alias)
    assert feed_event.decode("op", feed_event.encode(event)) == event
    assert event.moved_at_s == NOW_S


def test_programs_that_know_no_aliases_take_the_event_for_a_change_of_a_key_of_no_cell() -> None:
    spelled = feed_event.encode(FeedEvent("op", alias=MAIL))
    assert spelled.startswith('["home","email:a@x","","",3,0,"user:1",')
    assert spelled.endswith(f'"{NAMES}"]')
    assert feed_event.encode(FeedEvent("op", alias=Alias("email:a@x", "", 4, NOW_S))).endswith(f'"{FREED}"]')


async def store_with(path: Path, *records: Assignment) -> SqliteStore:
    store = await SqliteStore.open(path / "homes.sqlite", create=True)
    await store.load(records)
    return store


@asynchronous
async def test_naming_the_same_home_again_changes_nothing(tmp_path: Path) -> None:
    store = await store_with(tmp_path, home("user:1"), home("user:2"))
    first = await name_home(store, "email:a@x", "user:1", NOW_S)
    assert await name_home(store, "email:a@x", "user:1", NOW_S + 5) == first
    second = await name_home(store, "email:a@x", "user:2", NOW_S + 9)
    assert (first.epoch, second.epoch) == (1, 2)
    await store.close()


@asynchronous
async def test_an_alias_that_was_freed_goes_on_counting(tmp_path: Path) -> None:
    store = await store_with(tmp_path, home("user:1"))
    await name_home(store, "email:a@x", "user:1", NOW_S)
    assert (await name_home(store, "email:a@x", "", NOW_S)).epoch == 2
    assert await store.read(["email:a@x"]) == {}
    assert (await name_home(store, "email:a@x", "user:1", NOW_S)).epoch == 3
    await store.close()


@pytest.mark.parametrize(
    ("key", "named", "reason"),
    [
        ("user:2", "user:1", "homes of their own"),
        ("email:a@x", "email:a@x", "itself"),
        ("email:a@x", "user:9", "no home yet"),
        ("email:b@x", "email:a@x", "names user:1: name that one"),
        ("tenant:t", "user:1", "a home of its own"),
        ("email:new@x", "", "names no other key"),
    ],
)
@asynchronous
async def test_what_can_not_be_named_is_refused_with_the_reason(
    tmp_path: Path, key: str, named: str, reason: str
) -> None:
    store = await store_with(tmp_path, home("user:1"), home("tenant:t"))
    if key != "email:a@x":
        await name_home(store, "email:a@x", "user:1", NOW_S)
    with pytest.raises(AliasRefusedError, match=reason):
        await name_home(store, key, named, NOW_S)
    await store.close()


@asynchronous
async def test_a_home_has_a_bounded_number_of_aliases(tmp_path: Path) -> None:
    store = await store_with(tmp_path, home("user:1"))
    for number in range(16):
        await name_home(store, f"email:{number}@x", "user:1", NOW_S)
    with pytest.raises(AliasRefusedError, match="16 aliases already"):
        await name_home(store, "email:one-more@x", "user:1", NOW_S)
    await name_home(store, "email:0@x", "", NOW_S)
    await name_home(store, "email:one-more@x", "user:1", NOW_S)
    assert len((await store.read(["user:1"]))["user:1"].aliases) == 16
    await store.close()


@asynchronous
async def test_a_key_that_names_a_home_gets_none_of_its_own(tmp_path: Path) -> None:
    store = await store_with(tmp_path, home("user:1"))
    await name_home(store, "email:a@x", "user:1", NOW_S)
    with pytest.raises(EpochConflictError) as conflict:
        await store.compare_and_set(home("email:a@x", "cell-b"), -1)
    assert conflict.value.current is not None
    assert conflict.value.current.key == "user:1"
    assert await store.load([home("email:a@x", "cell-b"), home("user:2")]) == 1
    assert (await store.read(["email:a@x"]))["email:a@x"].cell == "cell-a"
    await store.close()
