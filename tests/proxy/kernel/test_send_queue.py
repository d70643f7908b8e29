"""A send queue shrinks by what the peer takes, and by nothing else."""

from __future__ import annotations

import socket
import time

from proxy.kernel.send_queue import unacknowledged_bytes

DEADLINE_S = 10.0


def test_it_shrinks_while_the_peer_reads_and_stays_while_it_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = socket.create_connection(listener.getsockname())
        writer, _ = listener.accept()
    with reader, writer:
        assert unacknowledged_bytes(writer) == 0
        writer.setblocking(False)
        full = fill(writer)
        assert full > 0
        read = 0
        until_s = time.monotonic() + DEADLINE_S
        while unacknowledged_bytes(writer) == full:
            assert time.monotonic() < until_s
            read += len(reader.recv(65536))
        assert read > 0


def fill(writer: socket.socket) -> int:
    """Write until nothing more is taken, at both ends; what is left over here."""
    while True:
        before = unacknowledged_bytes(writer)
        try:
            writer.send(bytes(1 << 20))
        except BlockingIOError:
            time.sleep(0.05)  # what is under way on loopback arrives
            if unacknowledged_bytes(writer) == before:
                return before
