"""Ports for servers that may be killed and started again on the same port."""

from __future__ import annotations

import random
import socket
from typing import Final

_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
"""Below what the kernel gives to outgoing connections: a client that keeps dialling a dead server's port
can't take that port itself."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now."""
    while True:
        port = random.randint(_LOWEST, _HIGHEST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
