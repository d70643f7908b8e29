"""Routes hold for whole segments of the path as a cell would understand it; the longest prefix decides."""

from __future__ import annotations

import time
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.routes import Route, Routes


def routes(*prefixes: bytes) -> Routes:
    return Routes([Route(prefix, False, None, 1) for prefix in prefixes])


def found(table: Routes, target: bytes) -> bytes | None:
    route = table.find(target)
    return None if route is None else route.prefix


TABLE = routes(b"/", b"/a", b"/a/b", b"/long")


@pytest.mark.parametrize(
    ("target", "prefix"),
    [
        (b"/", b"/"),
        (b"/a", b"/a"),
        (b"/a/", b"/a"),
        (b"/a/x", b"/a"),
        (b"/a/b", b"/a/b"),
        (b"/a/b/c", b"/a/b"),
        (b"/a/bc", b"/a"),
        (b"/ab", b"/"),
        (b"/A", b"/"),
        (b"/x/a", b"/"),
        (b"*", b"/"),
    ],
)
def test_the_longest_prefix_of_whole_segments_decides(target: bytes, prefix: bytes) -> None:
    assert found(TABLE, target) == prefix


@pytest.mark.parametrize(
    ("target", "prefix"),
    [
        (b"/a?x", b"/a"),
        (b"/a?/b", b"/a"),
        (b"/?/a", b"/"),
        (b"/a/b?x/../..", b"/a/b"),
        (b"/a?%2f", b"/a"),
        (b"/long?//", b"/long"),
        (b"/x?/../a", b"/"),
    ],
)
def test_the_query_plays_no_part(target: bytes, prefix: bytes) -> None:
    assert found(TABLE, target) == prefix


@pytest.mark.parametrize(
    ("target", "prefix"),
    [
        (b"/a/../long", b"/long"),
        (b"/a/./b", b"/a/b"),
        (b"//a", b"/a"),
        (b"///a///b", b"/a/b"),
        (b"/a/%2e%2e/long", b"/long"),
        (b"/a/.%2E/long", b"/long"),
        (b"/%61", b"/a"),
        (b"/a%2fb", b"/a/b"),
        (b"/../../a", b"/a"),
        (b"/a/..", b"/"),
        (b"/a/b/../../../..", b"/"),
        (b"/a%3fb", b"/"),
        (b"/a%3f", b"/"),
        (b"/a%", b"/"),
        (b"/%zz/a", b"/"),
        (b"/a/%00", b"/a"),
    ],
)
def test_detours_and_spellings_are_seen_through(target: bytes, prefix: bytes) -> None:
    assert found(TABLE, target) == prefix


def test_the_order_of_the_configuration_does_not_matter() -> None:
    for table in (routes(b"/a/b", b"/a", b"/"), routes(b"/", b"/a", b"/a/b")):
        assert [found(table, target) for target in (b"/a/b/c", b"/a/c", b"/c")] == [b"/a/b", b"/a", b"/"]


def test_without_a_default_some_paths_have_no_route() -> None:
    table = routes(b"/a")
    assert found(table, b"/a/b") == b"/a"
    assert found(table, b"/") is None
    assert found(table, b"*") is None


def test_the_default_alone_holds_for_everything() -> None:
    table = routes(b"/")
    assert [found(table, target) for target in (b"/", b"/a/../b", b"*", b"/%")] == [b"/"] * 4


def test_without_routes_nothing_is_found() -> None:
    assert found(routes(), b"/") is None


@given(st.lists(st.sampled_from((b"%", b"4", b"1", b"a", b"F", b"g", b"%41", b"%e2"))).map(b"".join))
def test_a_path_is_decoded_as_everybody_decodes_it(spelled: bytes) -> None:
    prefix = b"/x" + unquote_to_bytes(spelled)
    assert found(routes(b"/", prefix), b"/x" + spelled + b"/rest") == prefix


def test_percent_signs_without_digits_cost_no_more_than_escapes() -> None:
    table = routes(b"/", b"/a", b"/b")
    assert _cost_s(table, b"/" + b"%" * 16_000) < _cost_s(table, b"/" + b"%41" * 5_333)


def _cost_s(table: Routes, target: bytes) -> float:
    """Processor time to find the route, the least of several."""
    costs_s = []
    for _ in range(9):
        began_s = time.process_time()
        table.find(target)
        costs_s.append(time.process_time() - began_s)
    return min(costs_s)
