"""The listeners: one SO_REUSEPORT socket per worker slot, kept by the supervisor for as long as it lives.

A listener that closes resets the connections queued on it, so no worker ever owns one alone.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final

from proxy.kernel.port_holder import cannot_listen
from proxy.model import Endpoint

_BACKLOG: Final = 4096
_UNSENT_BYTES: Final = 128 * 1024
"""Accepted connections inherit it: beyond it the kernel takes nothing more, so that the few megabytes that it
would take for a slow reader don't hide for minutes that the reader goes on reading."""


class ListenError(Exception):
    """The address for clients can't be listened on; the message says which and why."""


def listen(at: Endpoint, slots: int) -> list[socket.socket]:
    """A listener for each slot on the same address, an IP literal. Raises ListenError."""
    listeners: list[socket.socket] = []
    try:
        _refuse_sharing(at)
        while len(listeners) < slots:
            listeners.append(_bound(at, share=True))
            listeners[-1].listen(_BACKLOG)
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise ListenError(cannot_listen("edge.listen", at.host, at.port, error)) from error
    return listeners


def _refuse_sharing(at: Endpoint) -> None:
    """OSError if someone listens there: with SO_REUSEPORT the kernel would quietly share the clients out."""
    _bound(at, share=False).close()


def _bound(at: Endpoint, *, share: bool) -> socket.socket:
    family = socket.AF_INET6 if ip_address(at.host).version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        listener.bind((at.host, at.port))
    except OSError:
        listener.close()
        raise
    return listener
