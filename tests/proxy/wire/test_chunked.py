"""The chunked coding: decoded alike however it is cut, refused when malformed, encoded for all to read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk, encode_end
from tests.proxy.wire.heads import byte_by_byte
from tests.proxy.wire.oracles import h11_chunked_body

NEXT: Final = b"GET /next HTTP/1.1\r\n"


class Decoded:
    """All that a decoder said of a stream: data, trailers, problem, whether it ended, what followed it."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        decoder = ChunkedDecoder()
        self.data = b""
        self.rest = b""
        for piece in stream:
            if decoder.done:
                self.rest += piece
            elif not decoder.problem:
                self.rest += decoder.feed(piece)
                assert all(decoder.pieces), "an empty piece would be sent as the last chunk"
                self.data += b"".join(decoder.pieces)
        self.trailers = decoder.trailers
        self.problem = decoder.problem
        self.done = decoder.done
        assert not (self.done and self.problem)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decoded) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return repr(vars(self))


def cut(stream: bytes, positions: Iterable[int]) -> list[bytes]:
    """The stream, cut at these positions."""
    bounds = [0, *sorted(positions), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


GOOD: Final = {
    "nothing": (b"0\r\n\r\n", b"", []),
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello", []),
    "two chunks": (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello", []),
    "sizes in both cases": (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, []),
    "leading zeros": (b"0005\r\nhello\r\n000\r\n\r\n", b"hello", []),
    "the longest size line": (b"000000000000005\r\nhello\r\n000000000000000\r\n\r\n", b"hello", []),
    "extensions": (b'5;a;b=c;d="e\tf"\r\nhello\r\n0;x\r\n\r\n', b"hello", []),
    "an empty extension": (b"5;\r\nhello\r\n0;\r\n\r\n", b"hello", []),
    "line ends in the data": (b"6\r\n\r\n0\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", []),
    "every octet": (b"100\r\n" + bytes(range(256)) + b"\r\n0\r\n\r\n", bytes(range(256)), []),
    "trailers": (
        b"1\r\nx\r\n0\r\nX-Sum: 1\r\nx-sum:2\r\nETag: \xe9\t\r\n\r\n",
        b"x",
        [b"X-Sum: 1", b"x-sum:2", b"ETag: \xe9\t"],
    ),
    "as many trailers as a head may have fields": (
        b"0\r\n" + b"X:\r\n" * 128 + b"\r\n",
        b"",
        [b"X:"] * 128,
    ),
    "trailers that must not pass": (
        b"0\r\nContent-Length: 5\r\nX-A: 1\r\nTRANSFER-ENCODING: chunked\r\nhost: x\r\nAuthorization: x\r\n"
        b"Set-Cookie: a\r\nCookie: a\r\nX-Home-Cell: us-1\r\nx-HOME-cell-epoch: 1\r\nX_Home_Cell: us-1\r\n"
        b"X-Forwarded-For: x\r\nforwarded: x\r\nX-Request-Id: x\r\ntraceparent: x\r\nConnection: x\r\n"
        b"Trailer: x\r\nTE: x\r\nUpgrade: x\r\nExpect: x\r\nContent-Type: x\r\nContent-Encoding: x\r\n"
        b"Content_Length: 5\r\nX_Forwarded_For: x\r\n\r\n",
        b"",
        [b"X-A: 1"],
    ),
}

MALFORMED: Final = {
    "an empty size": b"\r\nhello\r\n0\r\n\r\n",
    "a size in letters": b"xyz\r\n",
    "a size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n",
    "a size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"1_0\r\n0123456789012345\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "a tab after the size": b"5\t\r\nhello\r\n0\r\n\r\n",
    "a space before the semicolon": b"5 ;x\r\nhello\r\n0\r\n\r\n",
    "a space after the last size": b"5\r\nhello\r\n0 \r\n\r\n",
    "an overflowing size": b"10000000000000000\r\nhello\r\n",
    "a size that overflows to 5": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a size with too many zeros": b"0000000000000005\r\nhello\r\n0\r\n\r\n",
    "a full-width digit": "５\r\nhello\r\n0\r\n\r\n".encode(),
    "a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare LF after the last size": b"5\r\nhello\r\n0\n\r\n",
    "a bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "a bare LF at the very end": b"5\r\nhello\r\n0\r\n\n",
    "bare LFs everywhere": b"5\nhello\n0\n\n",
    "a bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "two CRs after the size": b"5\r\r\nhello\r\n0\r\n\r\n",
    "a bare CR after the data": b"5\r\nhello\r0\r\n\r\n",
    "no line end after the data": b"5\r\nhello0\r\n\r\n",
    "more data than the size": b"5\r\nhello!\r\n0\r\n\r\n",
    "less data than the size": b"6\r\nhello\r\n0\r\n\r\n",
    "a bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;\x00\r\nhello\r\n0\r\n\r\n",
    "ESC in an extension": b"5;\x1b\r\nhello\r\n0\r\n\r\n",
    "DEL in an extension": b"5;\x7f\r\nhello\r\n0\r\n\r\n",
    "a word after the size": b"5 x\r\nhello\r\n0\r\n\r\n",
    "an endless extension": b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    "an endless size line": b"5;" + b"a" * 5000,
    "a trailer without a colon": b"0\r\nX-A\r\n\r\n",
    "a trailer without a name": b"0\r\n: 1\r\n\r\n",
    "a trailer with a space before the colon": b"0\r\nX-A : 1\r\n\r\n",
    "a folded trailer": b"0\r\nX-A: 1\r\n 2\r\n\r\n",
    "a trailer with a bare LF": b"0\r\nX-A: 1\nX-B: 2\r\n\r\n",
    "a trailer with a bare CR": b"0\r\nX-A: 1\rX-B: 2\r\n\r\n",
    "a trailer with NUL": b"0\r\nX-A: \x00\r\n\r\n",
    "a forbidden trailer with NUL": b"0\r\nContent-Length: \x00\r\n\r\n",
    "a trailer with DEL in its name": b"0\r\nX\x7f: 1\r\n\r\n",
    "an endless trailer": b"0\r\nX-A: " + b"a" * 5000,
    "more trailers than a head may have fields": b"0\r\n" + b"X:\r\n" * 129 + b"\r\n",
    "a trailer section over the limit": b"0\r\n" + b"X-A: " + (b"a" * 1000 + b"\r\nX-A: ") * 20 + b"\r\n\r\n",
    "a request in place of a chunk": NEXT + b"\r\n",
}


@pytest.mark.parametrize(("stream", "data", "trailers"), GOOD.values(), ids=GOOD)
def test_a_good_body_is_decoded_whole_and_byte_by_byte(
    stream: bytes, data: bytes, trailers: list[bytes]
) -> None:
    whole = Decoded([stream + NEXT])
    assert (whole.data, whole.trailers, whole.problem, whole.done) == (data, trailers, "", True)
    assert whole.rest == NEXT
    assert Decoded(byte_by_byte(stream + NEXT)) == whole


@pytest.mark.parametrize("stream", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_body_is_refused_whole_and_byte_by_byte_and_never_ends_well(stream: bytes) -> None:
    whole, single = Decoded([stream]), Decoded(byte_by_byte(stream))
    assert whole.problem
    assert not whole.done
    assert single == whole


@pytest.mark.parametrize(("stream", "data", "trailers"), GOOD.values(), ids=GOOD)
def test_a_truncated_body_never_looks_complete(stream: bytes, data: bytes, trailers: list[bytes]) -> None:
    for end in range(len(stream)):
        part = Decoded([stream[:end]])
        assert not part.done
        assert not part.problem
        assert data.startswith(part.data)
        assert part.trailers == trailers[: len(part.trailers)]


def test_after_a_problem_nothing_more_is_decoded() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"2\r\nokX\r\n")
    problem = decoder.problem
    assert problem
    assert decoder.feed(b"5\r\nhello\r\n0\r\n\r\n") == b""
    assert (decoder.pieces, decoder.problem, decoder.done) == ([], problem, False)


def test_data_behind_a_problem_is_not_taken_for_data() -> None:
    assert Decoded([b"2\r\nokX\r\n5\r\nhello\r\n0\r\n\r\n"]).data == b"ok"


def test_the_limit_of_a_line_does_not_count_the_data() -> None:
    size = 1 << 20
    whole = Decoded([b"%x\r\n" % size, b"x" * size, b"\r\n0\r\n\r\n"])
    assert (len(whole.data), whole.done) == (size, True)


chunks = st.lists(st.binary(min_size=1, max_size=20), max_size=6)
trailer_lines = st.lists(st.sampled_from([b"X-Sum: 1", b"x-b:", b"ETag: \xe9"]), max_size=3)


@given(chunks, trailer_lines, st.data())
def test_what_was_encoded_is_decoded_to_the_same_however_it_is_cut(
    bodies: list[bytes], trailers: list[bytes], draw: st.DataObject
) -> None:
    stream = b"".join(encode_chunk([body]) for body in bodies) + encode_end(trailers)
    positions = draw.draw(st.lists(st.integers(0, len(stream) + 5), max_size=8))
    decoded = Decoded(cut(stream + NEXT, positions))
    assert (decoded.data, decoded.trailers, decoded.done) == (b"".join(bodies), trailers, True)
    assert decoded.rest == NEXT


@given(chunks, trailer_lines)
def test_what_was_encoded_is_understood_by_h11(bodies: list[bytes], trailers: list[bytes]) -> None:
    stream = encode_chunk(bodies) + b"".join(encode_chunk([body]) for body in bodies) + encode_end(trailers)
    assert h11_chunked_body(stream + NEXT) == (b"".join(bodies) * 2, NEXT)


_FRAGMENTS: Final = (
    b"0",
    b"1",
    b"5",
    b"a",
    b"F",
    b"\r\n",
    b"\r",
    b"\n",
    b";",
    b"x=y",
    b" ",
    b"\t",
    b"\x00",
    b"hello",
    b"X-A: 1",
    b"Content-Length: 5",
    b":",
    b"0\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"1;e\r\nx\r\n",
    b"ffffffffffffffff",
)


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=12).map(b"".join), st.data())
def test_the_outcome_does_not_depend_on_the_cut_and_agrees_with_h11_where_it_is_complete(
    stream: bytes, draw: st.DataObject
) -> None:
    whole = Decoded([stream])
    assert Decoded(byte_by_byte(stream)) == whole
    assert Decoded(cut(stream, draw.draw(st.lists(st.integers(0, len(stream)), max_size=5)))) == whole
    if whole.done:
        assert h11_chunked_body(stream) == (whole.data, whole.rest)


def test_nothing_encodes_to_nothing_because_an_empty_chunk_would_end_the_body() -> None:
    assert encode_chunk([]) == b""
    assert encode_chunk([b"", b""]) == b""
    assert encode_chunk([b"he", b"", b"llo"]) == b"5\r\nhello\r\n"
    assert encode_end([]) == LAST_CHUNK == b"0\r\n\r\n"
    assert encode_end([b"A: 1", b"B: 2"]) == b"0\r\nA: 1\r\nB: 2\r\n\r\n"


def test_a_flood_of_small_chunks_is_decoded_part_by_part() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"1\r\nx\r\n" * 10_000 + LAST_CHUNK + NEXT)
    data = b"".join(decoder.pieces)
    assert 0 < len(data) <= 1024
    rest, rounds = b"", 1
    while decoder.backlog:
        rest = decoder.feed(b"")
        data += b"".join(decoder.pieces)
        rounds += 1
    assert data == b"x" * 10_000
    assert decoder.done
    assert rest == NEXT
    assert rounds >= 10
