"""What is put into a snapshot comes out of it, or nothing does and the reason is named."""

from __future__ import annotations

import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup.assignment import State
from lookup.flags import Flag, FlagRecord
from lookup.ports import KeyMove
from lookup.snapshot import (
    Ignored,
    Knowledge,
    KnownAlias,
    KnownHome,
    Reason,
    encode_aliases,
    encode_feed,
    encode_flags,
    encode_homes,
    encode_moves,
    seal,
    unseal,
)
from tests.lookup.fakes import NOW_S

ORIGIN = "sqlite home.sqlite"

KNOWLEDGE = Knowledge(
    as_of_s=NOW_S,
    covers_since_s=0.0,
    homes=[
        KnownHome(f"user:ö{number}", "cell-a", "eu", 3, State(number % 2), NOW_S) for number in range(600)
    ],
    moves=[KeyMove("user:1", 4, NOW_S - 5, "cell-b"), KeyMove("user:2", 2, NOW_S, "")],
    left_at_s={"cell-c": NOW_S - 100, "": 7.0},
    flags=[
        FlagRecord("cell-a", Flag.DOWN, 3, 'a "fire"\n', "ann", NOW_S, None),
        FlagRecord("cell-b", Flag.SERVING, 1, "", "bob", NOW_S, NOW_S + 9),
    ],
    aliases=(KnownAlias("email:ö@x", "user:1", 2, NOW_S), KnownAlias("apikey:k", "user:2", 1, NOW_S)),
)


def sealed(knowledge: Knowledge = KNOWLEDGE, origin: str = ORIGIN) -> bytes:
    return seal(
        encode_feed(origin, knowledge.as_of_s, knowledge.covers_since_s, knowledge.left_at_s)
        + encode_homes(knowledge.homes)
        + encode_moves(knowledge.moves)
        + encode_flags(knowledge.flags)
        + encode_aliases(knowledge.aliases)
    )


def reason(content: bytes) -> Reason:
    read = unseal(content, ORIGIN)
    assert isinstance(read, Ignored)
    return read.reason


def test_what_went_in_comes_out() -> None:
    assert unseal(sealed(), ORIGIN) == KNOWLEDGE


def test_a_snapshot_of_another_store_is_named_as_such() -> None:
    assert unseal(sealed(origin="sqlite other"), ORIGIN) == Ignored(Reason.FOREIGN, "sqlite other")


def test_a_snapshot_of_another_version_is_named_as_such() -> None:
    assert reason(sealed().replace(b"snapshot 1 ", b"snapshot 2 ", 1)) is Reason.OTHER_VERSION


@pytest.mark.parametrize("content", [b"", b"\n", b"SQLite format 3\0", b"homecell-snapshot", b"a b c\n{}"])
def test_what_is_no_snapshot_is_named_as_such(content: bytes) -> None:
    assert reason(content) is Reason.NO_SNAPSHOT


@given(st.data())
def test_a_snapshot_cut_short_anywhere_is_never_used(data: st.DataObject) -> None:
    content = sealed()
    assert isinstance(unseal(content[: data.draw(st.integers(0, len(content) - 1))], ORIGIN), Ignored)


@given(st.data())
def test_a_snapshot_with_any_byte_changed_is_never_used(data: st.DataObject) -> None:
    content = bytearray(sealed())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert isinstance(unseal(bytes(content), ORIGIN), Ignored)


@pytest.mark.parametrize(
    "line",
    [
        ["homes", [["user:1"]]],
        ["homes", 5],
        ["homes", [["user:1", "cell-a", "eu", "1", 0, 1.0]]],
        ["homes", [["user:1", None, "eu", 1, 0, 1.0]]],
        ["homes", [["user:1", "cell-a", "eu", 1, 0, None]]],
        ["moves", [["user:1", None, 1.0, "cell-a"]]],
        ["homes", [["user:1", "cell-a", "eu", 1, 9, 1.0]]],
        ["flags", [["cell-a", 7, 1, "", "", 1.0, None]]],
        ["moves", [[]]],
        "homes",
        {"homes": []},
        17,
    ],
)
def test_a_line_that_this_program_would_not_write_is_never_used(line: object) -> None:
    body = encode_feed(ORIGIN, NOW_S, 0.0, {}) + json.dumps(line).encode() + b"\n"
    assert reason(seal(body)) is Reason.NO_SNAPSHOT


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"[]\n",
        b'["feed","x"]\n',
        b"[" * 100_000,
        *(encode_feed(ORIGIN, s, 0.0, {}) for s in (nan, -inf)),
    ],
)
def test_a_body_that_does_not_begin_as_it_should_is_never_used(first: bytes) -> None:
    assert reason(seal(first)) is Reason.NO_SNAPSHOT
