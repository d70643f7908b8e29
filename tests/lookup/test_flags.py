"""A flag that a newer program wrote restricts its own cell as far as this one can, and no other cell."""

from __future__ import annotations

import json
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from lookup.backup_format import flags_block, read_flags
from lookup.feed_event import FeedEvent, decode, encode
from lookup.flags import Flag, FlagRecord, flag_form, flag_of, flag_read
from lookup.snapshot import encode_flags
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_feed import append_flag
from tests.lookup.asynchronous import asynchronous
from tests.lookup.stores.contract import next_change

NEWER = flag_read("eu-1", "draining", 4, "upgrade", "anna", 100.0, 200.0)


@pytest.mark.parametrize("flag", list(Flag))
def test_a_known_word_is_its_flag(flag: Flag) -> None:
    record = flag_read("eu-1", flag.value, 2, "r", "anna", 1.0)
    assert record == FlagRecord("eu-1", flag, 2, "r", "anna", 1.0)
    assert (record.word, record.shown) == (flag.value, flag.value)


def test_an_unknown_word_counts_as_the_most_restrictive_and_is_kept() -> None:
    assert (NEWER.flag, NEWER.word, NEWER.version) == (Flag.DOWN, "draining", 4)
    assert NEWER.shown == "draining (unknown here: as down)"


@pytest.mark.parametrize("word", ["", 7, None])
def test_what_is_no_word_is_no_flag(word: str) -> None:
    with pytest.raises(ValueError, match="a flag is a word"):
        flag_read("eu-1", word, 1, "", "", 0.0)


def test_every_form_hands_the_word_on_as_it_was() -> None:
    assert decode("op", encode(FeedEvent("op", flag=NEWER))).flag == NEWER
    assert flag_of(json.loads(json.dumps(flag_form(NEWER)))) == NEWER
    assert b'"draining"' in encode_flags([NEWER])
    block = flags_block([NEWER])
    assert b'"draining"' in block
    body = block[block.index(b"[") : block.rindex(b"]") + 1]
    assert read_flags(body) == [NEWER]


@asynchronous
async def test_a_store_with_an_unknown_word_still_tells_all_flags_and_changes(tmp_path: Path) -> None:
    file = tmp_path / "home.sqlite"
    store = await SqliteStore.open(file, create=True)
    try:
        async with aclosing(store.follow()) as changes:
            await anext(changes)
            with closing(sqlite3.connect(file)) as newer, newer:  # in one transaction, as a program's own
                newer.execute(
                    "INSERT INTO flag VALUES ('eu-1', 'draining', 4, 'upgrade', 'anna', 100.0, 200.0)"
                )
                append_flag(newer, NEWER)
            other = await store.set_flag("eu-2", Flag.SERVING, reason="r", author="anna", now_s=1.0)
            assert [(await next_change(changes)).flag for _ in range(2)] == [NEWER, other]
        assert await store.flags() == {"eu-1": NEWER, "eu-2": other}
    finally:
        await store.close()
