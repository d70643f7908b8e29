"""What a connection's peer has not acknowledged yet: shrinks as long as the peer still takes something."""

from __future__ import annotations

import socket
import struct
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Final

_COUNT: Final = struct.Struct("i")


def unacknowledged_bytes(connection: socket.socket) -> int:
    """Bytes that the kernel was given and the peer's has not acknowledged, sent or not (SIOCOUTQ)."""
    (count,) = _COUNT.unpack(ioctl(connection.fileno(), TIOCOUTQ, bytes(_COUNT.size)))
    return int(count)
