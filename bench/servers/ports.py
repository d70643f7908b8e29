"""Ports for servers that may be killed and started again on the same port."""

from __future__ import annotations

import random
import socket
from collections import deque
from typing import Final

LOWEST: Final = 20_000
HIGHEST: Final = 32_000
"""Below what the kernel gives to outgoing connections: a client that keeps dialling a dead server's port
can't take that port itself."""


_MOST_CLAIMS: Final = 100

_claims: deque[socket.socket] = deque()
"""UDP sockets on the ports that were given last: until their servers listen, no process gives them again."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now, and that nobody else was given just now."""
    while True:
        port = random.randint(LOWEST, HIGHEST)
        if take(port, host):
            return port


def take(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens on it and nobody was given it just now; from now on nobody is."""
    return _is_free(host, port) and _claim(host, port)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _claim(host: str, port: int) -> bool:
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind((host, port))
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    if len(_claims) > _MOST_CLAIMS:
        _claims.popleft().close()
    return True


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
