"""A listener's queue is seen, closed to newcomers, and kept for who is in it."""

from __future__ import annotations

import socket
import time

import pytest

from proxy.kernel.accept_queue import admit_no_more, waiting


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_waits_is_counted(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        assert waiting(listener) == 0
        clients = [socket.create_connection((host, listener.getsockname()[1])) for _ in range(3)]
        while waiting(listener) < 3:  # a busy kernel may let the last word of a handshake wait
            time.sleep(0.001)
        assert waiting(listener) == 3
        accepted, _ = listener.accept()
        assert waiting(listener) == 2
        for end in (accepted, *clients):
            end.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_waits_is_served_although_nobody_else_is_let_in(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        address = (host, listener.getsockname()[1])
        client = socket.create_connection(address)
        admit_no_more(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
        assert waiting(listener) == 1
        accepted, _ = listener.accept()
        client.sendall(b"question")
        assert accepted.recv(100) == b"question"
        accepted.sendall(b"answer")
        assert client.recv(100) == b"answer"
        client.close()
        accepted.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5.0)
