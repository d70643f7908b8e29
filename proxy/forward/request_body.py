"""A request's body on its way to the cell: where it ends, how much came, in the coding that the cell gets."""

from __future__ import annotations

from typing import Final

from proxy.wire.chunked import ChunkedDecoder, encode_chunk, encode_end
from proxy.wire.framing import LENGTH

KEPT_BYTES: Final = 65536
"""Of a body no longer than that (as coded for the cell) all is kept until the reply begins."""

_MAX_PIECES: Final = 64
_NOTHING_KEPT: Final = -1


class RequestBody:
    """Reads a body of known framing and encodes it for the cell.

    limit_bytes     the most the route allows
    received_bytes  data received so far, without the coding
    done            the body is complete
    problem         what is malformed, "" while nothing is
    too_large       more than limit_bytes came
    """

    __slots__ = (
        "_decoder",
        "_kept",
        "_kept_bytes",
        "_left",
        "done",
        "limit_bytes",
        "problem",
        "received_bytes",
        "too_large",
    )

    def __init__(self, framing: int, content_length: int, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.received_bytes = 0
        self.problem = ""
        self.too_large = content_length > limit_bytes
        self._decoder: ChunkedDecoder | None = None if framing == LENGTH else ChunkedDecoder()
        self._left = content_length
        self.done = framing == LENGTH and content_length == 0
        self._kept: list[bytes] = []
        self._kept_bytes: int = 0 if content_length <= KEPT_BYTES else _NOTHING_KEPT

    @property
    def backlogged(self) -> bool:
        """Whether part of what arrived is still to be decoded: feed again, be it b""."""
        return self._decoder is not None and self._decoder.backlog != b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what arrived; returns (bytes for the cell, bytes that follow the body)."""
        decoder = self._decoder
        if decoder is None:
            taken = data if len(data) <= self._left else data[: self._left]
            self._left -= len(taken)
            self.received_bytes += len(taken)
            self.done = self._left == 0
            if self._kept_bytes >= 0:
                self._keep(taken)
            return taken, data[len(taken) :]
        rest = decoder.feed(data)
        self.problem = decoder.problem
        self.received_bytes += sum(map(len, decoder.pieces))
        self.too_large = self.received_bytes > self.limit_bytes
        if self.problem or self.too_large:
            return b"", b""
        coded = encode_chunk(decoder.pieces)
        if decoder.done:
            self.done = True
            coded += encode_end(decoder.trailers)
        if self._kept_bytes >= 0:
            self._keep(coded)
        return coded, rest

    # What another cell would need.

    @property
    def at_hand(self) -> bool:
        """Whether nothing came yet or all that came is still kept, so that it can be sent once more."""
        return self._kept_bytes >= 0 or (self.received_bytes == 0 and not self.done)

    @property
    def whole(self) -> bool:
        """Whether all of it came and is still kept, be it nothing at all."""
        return self.done and self._kept_bytes >= 0

    def kept(self) -> bytes:
        """All that was handed out for the cell so far, if it is `at_hand`."""
        return b"".join(self._kept)

    def forget(self) -> None:
        """Nobody will need it again."""
        self._kept = []
        self._kept_bytes = _NOTHING_KEPT

    def _keep(self, coded: bytes) -> None:
        self._kept_bytes += len(coded)
        if self._kept_bytes > KEPT_BYTES:
            self.forget()
            return
        kept = self._kept
        kept.append(coded)
        if len(kept) == _MAX_PIECES:  # a body in many small pieces must not cost many times its size
            self._kept = [b"".join(kept)]
