"""The line between the supervisor and one worker: whole messages, descriptors with them, and a clear end.

A SOCK_SEQPACKET pair: the kernel keeps messages apart and hands a descriptor over with its own message, so
there is nothing to reassemble. It closes with either process, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final, NamedTuple

_MESSAGE_LIMIT: Final = 200_000  # below the least send buffer that Linux gives


class Received(NamedTuple):
    """One message, and the descriptor that came with it (now ours; -1: none)."""

    message: bytes
    descriptor: int


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends; OSError when descriptors have run out."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """One end. Never waits: reading is for when the loop says that there is something (`fileno`)."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    def fileno(self) -> int:
        """For the loop's add_reader and remove_reader."""
        return self._end.fileno()

    def send(self, message: bytes, descriptor: int = -1) -> bool:
        """Send; False when the other side is gone, or has not read for so long that the line is full."""
        with contextlib.suppress(OSError):
            if descriptor < 0:
                return self._end.send(message) == len(message)
            return socket.send_fds(self._end, [message], [descriptor]) == len(message)
        return False

    def receive(self) -> Received | None:
        """The next message; None at the end. Raises BlockingIOError when there is none now."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._end, _MESSAGE_LIMIT, 1)
        except ConnectionError:
            return None
        for descriptor in descriptors:  # recv_fds ignores its flags, so MSG_CMSG_CLOEXEC can't be asked for
            os.set_inheritable(descriptor, False)
        return Received(message, descriptors[0] if descriptors else -1) if message else None

    def close(self) -> None:
        """End the line; the other side sees it."""
        self._end.close()
