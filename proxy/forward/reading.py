"""What a client sent and nobody has understood yet, and why nothing more is read from it for now."""

from __future__ import annotations

import asyncio
from typing import Final

from proxy.forward.edge import Edge
from proxy.forward.wheel import Timed
from proxy.wire.unfinished import UnfinishedHead

# Phases of a connection, in order.
HEAD: Final = 0
EXCHANGE: Final = 1
LINGER: Final = 2
GONE: Final = 3

# Why reading is held, as bits.
CONGESTED: Final = 1
PENDING: Final = 2
LOOKAHEAD: Final = 4
TURN: Final = 8


class Reading(Timed):
    """A client connection's input.

    buffer  what came of requests that have not begun
    holds   why nothing more is read, one bit for each reason; 0 while reading
    phase   HEAD between requests, EXCHANGE while one is under way, LINGER once closed, GONE
    """

    __slots__ = ("buffer", "edge", "holds", "more", "phase", "transport")

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self.edge = edge
        self.transport: asyncio.Transport | None = None
        self.phase = HEAD
        self.buffer = b""
        self.more: UnfinishedHead | None = None  # of the buffer, and all that followed
        self.holds = 0

    def keep(self, data: bytes) -> bool:
        """Put it behind what came before; whether there may be more to be understood now."""
        if not self.buffer:
            self.buffer = data
            return True
        if self.more is None:
            self.more = UnfinishedHead(self.buffer)
        return self.more.add(data)

    def kept_bytes(self) -> int:
        return len(self.buffer) if self.more is None else len(self.more)

    def received(self) -> bytes:
        """All that came and was not understood yet, in one piece."""
        if self.more is not None:
            self.buffer = self.more.take()
            self.more = None
        return self.buffer

    def forget(self) -> None:
        """What came will not be understood any more."""
        self.buffer = b""
        self.more = None

    # Backpressure on the client.

    def hold_congested(self) -> None:
        """Read no further: the cell takes no more of the body."""
        self.hold(CONGESTED)

    def release_congested(self) -> None:
        """The cell takes more again."""
        self.release(CONGESTED)

    def hold_pending(self) -> None:
        """Read no further: the body waits for a connection to the cell."""
        self.hold(PENDING)

    def release_pending(self) -> None:
        """The body is on its way."""
        self.release(PENDING)

    def hold_turn(self) -> None:
        """Read no further: the rest of what came waits for the next turn of the loop."""
        self.hold(TURN)

    def hold(self, reason: int) -> None:
        """Read no further, for this reason too."""
        if not self.holds and self.transport is not None:
            self.transport.pause_reading()
        self.holds |= reason

    def release(self, reasons: int) -> None:
        """These reasons are over; read on if no other is left."""
        if self.holds:
            self.holds &= ~reasons
            if not self.holds and self.transport is not None and self.phase != GONE:
                self.transport.resume_reading()
