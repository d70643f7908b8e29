"""The open-loop generator: its arrival times, how it knows a whole reply, and what it counts as latency."""

from __future__ import annotations

import socket
import threading
import time
from array import array
from itertools import pairwise

import pytest

from bench.peers.openloop import CONNECTIONS, BrokenReplyError, Generator, arrivals, is_complete

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"


def test_arrivals_come_at_the_rate_and_as_irregularly_as_a_poisson_process() -> None:
    times = arrivals(1000, 20, seed=3)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert variance**0.5 == pytest.approx(mean, rel=0.05)
    assert max(times) < 20


@pytest.mark.parametrize("length", range(len(REPLY)))
def test_a_reply_is_whole_only_with_its_last_byte(length: int) -> None:
    assert is_complete(REPLY)
    assert not is_complete(REPLY[:length])


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: now\r\n\r\n",
    ],
)
def test_a_wrong_or_unbounded_reply_ends_the_run(reply: bytes) -> None:
    with pytest.raises(BrokenReplyError):
        is_complete(reply)


def _serve_slowly(listener: socket.socket, pause_s: float) -> None:
    """Answer one request at a time on each connection, each after a pause."""

    def answer(connection: socket.socket) -> None:
        with connection:
            while connection.recv(65_536):
                time.sleep(pause_s)  # the server's slowness is what the test measures
                connection.sendall(REPLY)

    for _ in range(CONNECTIONS):
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def test_waiting_for_a_free_connection_counts_as_latency() -> None:
    pause_s = 0.05
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as listener:
        threading.Thread(target=_serve_slowly, args=(listener, pause_s), daemon=True).start()
        at_once = array("d", [0.0] * (3 * CONNECTIONS))
        generator = Generator(listener.getsockname()[1], [b"GET / HTTP/1.1\r\n\r\n"], at_once)
        generator.run()
    latencies_s = sorted(generator.latencies_s)
    assert len(latencies_s) == 3 * CONNECTIONS
    assert latencies_s[0] >= pause_s
    assert latencies_s[-1] >= 3 * pause_s
