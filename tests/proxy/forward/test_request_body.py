"""A request's body: where it ends, how much of it came, what the cell gets of it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.forward.request_body import KEPT_BYTES, RequestBody
from proxy.wire.framing import CHUNKED, LENGTH
from tests.support.messages import chunk, unchunk

LAST = b"0\r\n\r\n"


def test_a_body_of_known_length_ends_where_it_says() -> None:
    body = RequestBody(LENGTH, 5, 100)
    assert body.feed(b"hel") == (b"hel", b"")
    assert not body.done
    assert body.feed(b"lo, next") == (b"lo", b", next")
    assert (body.done, body.received_bytes, body.problem, body.too_large) == (True, 5, "", False)


def test_an_empty_body_is_done_from_the_beginning() -> None:
    body = RequestBody(LENGTH, 0, 100)
    assert body.done
    assert body.feed(b"next") == (b"", b"next")


def test_a_length_over_the_limit_is_known_before_anything_comes() -> None:
    assert RequestBody(LENGTH, 101, 100).too_large
    assert not RequestBody(LENGTH, 100, 100).too_large


def test_a_chunked_body_is_coded_anew() -> None:
    body = RequestBody(CHUNKED, 0, 100)
    assert body.feed(b"05;x=1\r\nhello\r\n3\r\nyou\r\n") == (chunk(b"helloyou"), b"")
    assert not body.done
    assert body.feed(b"0\r\nX-Sum: 1\r\n\r\nnext") == (b"0\r\nX-Sum: 1\r\n\r\n", b"next")
    assert (body.done, body.received_bytes) == (True, 8)


def test_a_chunked_body_over_the_limit_gives_the_cell_nothing_more() -> None:
    body = RequestBody(CHUNKED, 0, 5)
    assert (*body.feed(chunk(b"hello")), body.too_large) == (chunk(b"hello"), b"", False)
    assert (*body.feed(chunk(b"!") + LAST + b"next"), body.too_large) == (b"", b"", True)
    assert not body.done


def test_a_malformed_chunk_gives_the_cell_nothing_more() -> None:
    body = RequestBody(CHUNKED, 0, 100)
    assert body.feed(chunk(b"good") + b"5\nbad") == (b"", b"")
    assert body.problem
    assert not body.done


@given(st.binary(max_size=200), st.binary(max_size=20), st.lists(st.integers(0, 220), max_size=5))
def test_a_length_counts_octets_however_they_come(body: bytes, behind: bytes, cuts: list[int]) -> None:
    reader = RequestBody(LENGTH, len(body), 1000)
    passed = rest = b""
    data = body + behind
    positions = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(positions):
        coded, over = reader.feed(data[begin:end])
        passed += coded
        rest += over
    assert (passed, rest, reader.done) == (body, behind, True)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.lists(st.integers(0, 300), max_size=5))
def test_chunks_keep_their_data_however_they_come(chunks: list[bytes], cuts: list[int]) -> None:
    reader = RequestBody(CHUNKED, 0, 1000)
    data = b"".join(map(chunk, chunks)) + LAST + b"next"
    passed = rest = b""
    positions = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(positions):
        if reader.done:
            rest += data[begin:end]
            continue
        coded, over = reader.feed(data[begin:end])
        passed += coded
        rest += over
    assert unchunk(passed) == b"".join(chunks)
    assert (rest, reader.done, reader.received_bytes) == (b"next", True, sum(map(len, chunks)))


def test_a_short_body_is_kept_as_it_was_handed_out_until_nobody_needs_it() -> None:
    body = RequestBody(CHUNKED, 0, 1 << 30)
    coded = b"".join(body.feed(chunk(b"%d" % number))[0] for number in range(1000))
    assert (body.at_hand, body.whole) == (True, False)
    assert body.kept() == body.kept() == coded
    coded += body.feed(b"0\r\n\r\n")[0]
    assert (body.at_hand, body.whole) == (True, True)
    assert body.kept() == coded
    body.forget()
    assert (body.at_hand, body.whole) == (False, False)


def test_a_body_that_grows_too_long_is_not_kept_any_more() -> None:
    body = RequestBody(CHUNKED, 0, 1 << 30)
    body.feed(chunk(b"x" * (KEPT_BYTES - 100)))
    assert body.at_hand
    body.feed(chunk(b"x" * 100))
    assert not body.at_hand


def test_of_a_body_known_to_be_too_long_nothing_is_kept_but_before_it_begins_nothing_is_missing() -> None:
    body = RequestBody(LENGTH, KEPT_BYTES + 1, 1 << 30)
    assert (body.at_hand, body.kept()) == (True, b"")
    body.feed(b"x")
    assert not body.at_hand
