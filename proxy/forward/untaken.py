"""Whether who is at the other end of a connection still takes what it is sent, however slowly."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from proxy.kernel.send_queue import unacknowledged_bytes

LOOKS: Final = 4
"""Looks at a connection in the time in which its other end must have taken something."""

_ALL_BYTES: Final = 1 << 62


class Untaken:
    """What the other end has not taken yet, as of the last look."""

    __slots__ = ("_bytes", "_fruitless_looks")

    def __init__(self) -> None:
        self._bytes: int = _ALL_BYTES
        self._fruitless_looks = 0

    def is_stuck(self, transport: asyncio.Transport) -> bool:
        """Look; whether LOOKS in a row found no less than the one before them.

        The kernel's share counts too: what leaves the transport may go no further than there.
        """
        sock: socket.socket = transport.get_extra_info("socket")
        untaken_bytes = transport.get_write_buffer_size() + unacknowledged_bytes(sock)
        self._fruitless_looks = 0 if untaken_bytes < self._bytes else self._fruitless_looks + 1
        self._bytes = untaken_bytes
        return self._fruitless_looks >= LOOKS
