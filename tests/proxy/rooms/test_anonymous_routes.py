"""An anonymous route can't be climbed out of: every cell behind it sees the path below its prefix."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.rooms.routes import Route, Routes

OPEN: Final = (b"/open", b"/open/shut/ajar")
SHUT: Final = (b"/", b"/open/shut", b"/me")
TABLE: Final = Routes([Route(p, True, None, 1) for p in OPEN] + [Route(p, False, None, 2) for p in SHUT])
ALL_OPEN_BUT_ME: Final = Routes([Route(b"/", True, None, 1), Route(b"/me", False, None, 2)])


def anonymous(table: Routes, target: bytes) -> bool:
    route = table.find(target)
    assert route is not None
    return route.anonymous


@pytest.mark.parametrize(
    "target",
    [
        b"/open",
        b"/open/",
        b"/open/x.css?v=1",
        b"/open?/../me",
        b"/open/a%20b/caf%C3%A9.html",
        b"/open/page;v=2",
        b"/open//x",
        b"/open/./x",
        b"/open/a..b/.hidden",
        b"/%6fpen/x",
        b"/open/shut/ajar/x",
    ],
)
def test_plain_paths_below_an_anonymous_prefix_need_no_credential(target: bytes) -> None:
    assert anonymous(TABLE, target)


@pytest.mark.parametrize(
    "target",
    [
        b"/open/..;/me",
        b"/open/..;x=1/me",
        b"/open\\..\\me",
        b"/open/..\\me",
        b"/open/..%5cme",
        b"/open/%2e%2e%5Cme",
        b"/open/a%2fb/../../me",
        b"/open/%252e%252e/me",
        b"/open/..%00/me",
        b"/open/%c0%ae%c0%ae/me",
        b"/open/../open/x",
        b"/open/;/../me",
        b"/me/%2e%2e/open",
        b"/open/shut;v=1/x",
        b"/open/;x/shut",
        b"/open\\shut",
        b"/open/shut%3f",
        b"/open/shut%23",
        b"/open;x",
        b"//open",
    ],
)
def test_what_some_cell_could_read_otherwise_needs_one(target: bytes) -> None:
    assert not anonymous(TABLE, target)


@pytest.mark.parametrize(
    "target", [b"/me;x", b"/;/me", b"/\\me", b"/x\\..\\me", b"/%6de", b"//me", b"/me%00"]
)
def test_an_anonymous_default_does_not_open_what_is_shut_below_it(target: bytes) -> None:
    assert not anonymous(ALL_OPEN_BUT_ME, target)
    assert anonymous(ALL_OPEN_BUT_ME, b"/mew/x")


def test_the_other_rules_of_the_route_stay_as_they_are() -> None:
    route = TABLE.find(b"/open/x\\y")
    assert route is not None
    assert (route.prefix, route.body_limit_bytes) == (b"/open", 1)


def cells_readings(path: bytes) -> Iterator[bytes]:
    """The path as cells of many makes would see it: what they decode, part, cut and resolve, and when."""
    for early, late, backslash, parameters, dots in product((0, 1, 2), (0, 1), (0, 1), (0, 1, 2), (0, 1)):
        seen = path
        if parameters == 1:
            seen = cut(seen, backslash)
        for _ in range(early):
            seen = unquote_to_bytes(seen)
        seen = seen.partition(b"?")[0].partition(b"#")[0].partition(b"\x00")[0]
        if parameters == 2:
            seen = cut(seen, backslash)
        segments = (seen.replace(b"\\", b"/") if backslash else seen).split(b"/")
        if dots:
            segments = resolved(segments)
        if late:
            segments = [unquote_to_bytes(segment) for segment in segments]
        yield b"/" + b"/".join(segments).lstrip(b"/") if dots else b"/".join(segments)


def cut(path: bytes, backslash: int) -> bytes:
    whole = path.replace(b"\\", b"/") if backslash else path
    return b"/".join(segment.partition(b";")[0] for segment in whole.split(b"/"))


def resolved(segments: list[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return kept


def open_to(path: bytes) -> bool:
    """Whether a path, as one cell sees it, is below an open prefix and below no longer shut one."""
    holding = [p for p in (*OPEN, *SHUT) if p == b"/" or path == p or path.startswith(p + b"/")]
    return max(holding, key=len) in OPEN


_PIECES: Final = (
    b"/",
    b"\\",
    b"..",
    b".",
    b";",
    b";v=1",
    b"%2e",
    b"%2f",
    b"%5c",
    b"%3b",
    b"%3f",
    b"%23",
    b"%00",
)
_MORE: Final = (b"%252e", b"%252f", b"%255c", b"open", b"shut", b"ajar", b"me", b"x", b"%6f", b"%25", b"%00")
paths = st.lists(st.sampled_from((*_PIECES, *_MORE)), max_size=9).map(b"".join)


@given(st.sampled_from((b"/open/", b"/open", b"/", b"/open/shut/ajar/")), paths)
@example(b"/open/", b"a%2fb/../../me")
@example(b"/open/", b";%2fx/shut")
@example(b"/open/shut/ajar/", b"\\..\\..")
def test_whatever_reads_an_anonymous_path_sees_an_anonymous_path(start: bytes, rest: bytes) -> None:
    if anonymous(TABLE, start + rest):
        readings = set(cells_readings(start + rest))
        assert all(map(open_to, readings)), [reading for reading in readings if not open_to(reading)]
