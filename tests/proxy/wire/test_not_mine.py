"""What a cell may say with a 421, in which words, and that nobody else gets to read it."""

from __future__ import annotations

import pytest

from proxy.wire.not_mine import parse_not_mine
from proxy.wire.own_reply import same_url
from proxy.wire.reply import NotMineHead
from tests.proxy.wire.heads import accepted_reply, head

MISDIRECTED = b"HTTP/1.1 421 Misdirected Request"


@pytest.mark.parametrize(
    ("value", "epoch", "cell"),
    [
        (b"0", 0, ""),
        (b"7", 7, ""),
        (b" 12\t", 12, ""),
        (b"7;cell=a", 7, "a"),
        (b"7; cell=eu-west-1-cell-03", 7, "eu-west-1-cell-03"),
        (b"7 ;\t cell=a", 7, "a"),
        (b"9" * 18, 10**18 - 1, ""),
    ],
)
def test_epoch_and_cell_are_read(value: bytes, epoch: int, cell: str) -> None:
    said = parse_not_mine([value])
    assert said is not None
    assert (said.epoch, said.cell) == (epoch, cell)


@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"-1"],
        [b"+1"],
        [b"01"],
        [b"1.0"],
        [b"0x1"],
        [b"9" * 19],
        [b"\xb2"],
        [b"1;"],
        [b"1 cell=a"],
        [b"1; Cell=a"],
        [b"1; cell = a"],
        [b"1; cell=A"],
        [b"1; cell=a-"],
        [b"1; cell=" + b"a" * 64],
        [b"1; cell=a\n"],
        [b"1; cell=a; x=1"],
        [b"1", b"1"],
    ],
)
def test_anything_else_is_not(values: list[bytes]) -> None:
    assert parse_not_mine(values) is None


@pytest.mark.parametrize("name", [b"X-Home-Cell-Not-Mine", b"x-home-cell-not-mine", b"X-HOME-CELL-NOT-MINE"])
def test_a_421_with_the_field_is_told_apart_and_the_field_does_not_pass(name: bytes) -> None:
    reply = accepted_reply(head(MISDIRECTED, b"Server: x", name + b": 7; cell=a", name + b":8"))
    assert isinstance(reply, NotMineHead)
    assert (reply.status, [value.strip() for value in reply.says]) == (421, [b"7; cell=a", b"8"])
    assert reply.fields == [b"Server: x"]


@pytest.mark.parametrize(
    ("start", "line"),
    [
        (MISDIRECTED, b"Server: x"),
        (MISDIRECTED, b"X_Home_Cell_Not_Mine: 7"),
        (MISDIRECTED, b"X-Home-Cell-Not-Mine-Either: 7"),
        (b"HTTP/1.1 409 Conflict", b"X-Home-Cell-Not-Mine: 7"),
    ],
)
def test_any_other_reply_is_the_applications_own(start: bytes, line: bytes) -> None:
    reply = accepted_reply(head(start, line))
    assert not isinstance(reply, NotMineHead)
    assert not any(b"not" in field.lower() for field in reply.fields)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/", b"/"),
        (b"/a?b=//c", b"/a?b=//c"),
        (b"//evil.example/a", b"/.//evil.example/a"),
        (b"/\\evil.example/a", b"/./\\evil.example/a"),
    ],
)
def test_the_location_of_the_same_url_never_names_a_host(target: bytes, location: bytes) -> None:
    assert same_url(target) == location
