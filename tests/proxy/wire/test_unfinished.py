"""A head in pieces: looked at again when something can have come of it, and each byte only a few times."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.fields import MAX_HEAD_BYTES, MAX_TARGET_BYTES
from proxy.wire.start_line import diagnose_unfinished
from proxy.wire.unfinished import UnfinishedHead

START = b"GET / HTTP/1.1\r\n"


def looks(pieces: list[bytes]) -> list[int]:
    """After how many bytes the head was worth a look; as the connection does, each look begins anew."""
    seen, at = UnfinishedHead(pieces[0]), []
    for piece in pieces[1:]:
        if seen.add(piece):
            at.append(len(seen))
            seen = UnfinishedHead(seen.take())
    return at


def one_by_one(head: bytes) -> list[bytes]:
    return [head[at : at + 1] for at in range(len(head))]


def test_nothing_is_lost() -> None:
    head = UnfinishedHead(b"GE")
    for piece in (b"T / HTTP", b"/1.", b"1\r"):
        head.add(piece)
    assert (head.take(), len(head)) == (b"GET / HTTP/1.1\r", 15)


def test_a_good_head_byte_by_byte_is_looked_at_after_its_first_line_and_at_its_end() -> None:
    head = START + b"Host: a\r\n" + b"X: y\r\n" * 50 + b"\r\n"
    assert looks(one_by_one(head)) == [len(START), len(head)]


def test_an_empty_line_before_is_no_first_line() -> None:
    assert looks(one_by_one(b"\r\n" + START + b"\r\n")) == [2 + len(START), 2 + len(START) + 2]


@pytest.mark.parametrize("field", [b"A: b\n", b"A: b\rc", b"A: \r\r", b"\n", b"A: b\r\n\n"])
def test_a_broken_line_end_is_worth_a_look_as_soon_as_it_is_there(field: bytes) -> None:
    head = START + b"Host: a\r\n" + field
    assert looks(one_by_one(head)) == [len(START), len(head)]


def test_a_long_target_and_a_long_head_are_looked_at_when_they_are_too_long() -> None:
    line = b"GET /" + b"x" * MAX_HEAD_BYTES
    assert looks(one_by_one(line))[:2] == [MAX_TARGET_BYTES + 257, MAX_HEAD_BYTES + 1]


octets = st.sampled_from(
    (b"\r", b"\n", b"\r\n", b"a", b"GET / HTTP/1.1", b" ", b"Host: a", b"X: " + b"y" * 40)
)


@given(st.lists(octets, min_size=1, max_size=25).map(b"".join), st.data())
def test_whatever_can_be_said_of_the_whole_is_noticed_with_the_piece_that_shows_it(
    head: bytes, data: st.DataObject
) -> None:
    cuts = sorted({0, len(head), *data.draw(st.lists(st.integers(1, len(head)), max_size=8))})
    seen = UnfinishedHead(head[: cuts[1]])
    settled = says_something(head[: cuts[1]])
    for start, end in pairwise(cuts[1:]):
        if settled:
            return
        settled = says_something(head[:end])
        assert seen.add(head[start:end]) or not settled
        assert seen.take() == head[:end]


def says_something(received: bytes) -> bool:
    after = received[2:] if received.startswith(b"\r\n") else received
    return b"\r\n\r\n" in after or diagnose_unfinished(after) is not None


def test_eight_times_the_bytes_cost_about_eight_times_the_work() -> None:
    small, large = (min(cost_s(size) for _ in range(3)) for size in (8_000, 64_000))
    assert large < 24 * small  # with a search of the whole for each byte: 64 times


def cost_s(size: int) -> float:
    pieces = one_by_one(START + b"X: " + b"y" * size)
    began_s = time.process_time()
    looks(pieces)
    return time.process_time() - began_s
