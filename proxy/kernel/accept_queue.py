"""The connections that the kernel has established on a listener and nobody has accepted yet.

Whoever closes the last descriptor of a listener resets them, so they are accepted first; and so that this has
an end, no further ones are let in: the kernel offers nothing for that but a filter on the listener's packets.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

_SO_ATTACH_FILTER: Final = 26  # linux/asm-generic/socket.h
_PROGRAM_HEAD: Final = struct.Struct("HP")  # struct sock_fprog of linux/filter.h
_INSTRUCTION: Final = struct.Struct("HBBI")  # struct sock_filter
_WITHOUT_SYN: Final = (
    (0x30, 0, 0, 13),  # load the octet with the flags of the TCP header
    (0x45, 1, 0, 0x02),  # is SYN set?
    (0x06, 0, 0, 0xFFFFFFFF),  # no: the packet is taken
    (0x06, 0, 0, 0),  # yes: it is dropped
)
_program: Final = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*one) for one in _WITHOUT_SYN))
_WAITING: Final = struct.Struct("24xI")  # tcpi_unacked of struct tcp_info: of a listener, its queue's length


def waiting(listener: socket.socket) -> int:
    """How many connections wait to be accepted."""
    (count,) = _WAITING.unpack(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WAITING.size))
    return int(count)


def admit_no_more(listener: socket.socket) -> None:
    """From now on nobody begins to connect; handshakes under way are still completed.

    A client that tries hears nothing, and tries again after a second: it is refused if the listener is
    closed by then. Holds for every process that shares the listener, and can't be taken back.
    """
    program = _PROGRAM_HEAD.pack(len(_WITHOUT_SYN), ctypes.addressof(_program))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
