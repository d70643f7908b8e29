"""An open-loop load generator: requests start at Poisson times whatever the replies do.

A latency counts from the moment a request was meant to start, so that waiting for a free connection counts
too. uvloop's timers have a resolution of 1 ms, which is several times what is measured here; so this is a
loop of its own over epoll, that sleeps with the resolution of select(2). It reads no more of a reply than
its status and end.

Run as a program (`python -m bench.peers.openloop`), so that it can be pinned; prints one line of JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import random
import select
import socket
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from bench.peers.arithmetic import percentile
from bench.peers.traffic import read_requests

CONNECTIONS: Final = 64
PR_SET_TIMERSLACK: Final = 29
NEVER_S: Final = float("inf")
PATIENCE_S: Final = 5.0


class BrokenReplyError(Exception):
    """The server answered other than 200, or closed a connection."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """What one run gave: latencies from the intended start, and how late the generator itself was."""

    replies: int
    p50_us: float
    p99_us: float
    p999_us: float
    lag_p50_us: float
    lag_p99_us: float
    generator_busy: float


def arrivals(rate_per_s: float, duration_s: float, seed: int) -> array[float]:
    """Intended start times in seconds from 0: exponential gaps, so that starts are independent."""
    chance = random.Random(seed)
    times = array("d")
    at_s = chance.expovariate(rate_per_s)
    while at_s < duration_s:
        times.append(at_s)
        at_s += chance.expovariate(rate_per_s)
    return times


def is_complete(reply: bytes) -> bool:
    """Whether these bytes are a whole 200 reply with Content-Length; raises BrokenReplyError for others."""
    head_end = reply.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    if not reply.startswith(b"HTTP/1.1 200"):
        raise BrokenReplyError(reply[:300].decode("latin-1"))
    head = reply[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise BrokenReplyError(f"a reply without Content-Length: {head.decode('latin-1')}")
    body_bytes = int(head[at + 17 :].split(b"\r\n", 1)[0])
    return len(reply) >= head_end + 4 + body_bytes


class Generator:
    """Sends each request at its time on a free connection, or as soon as one is free, in order."""

    def __init__(self, port: int, ready: Sequence[bytes], intended_s: array[float]) -> None:
        self._ready = ready
        self._intended_s = intended_s
        self._intended_s.append(NEVER_S)
        self._poll = select.epoll()
        self._connections = {}
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            self._connections[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)
        self._free = deque(self._connections)
        self._waiting: deque[int] = deque()
        self._carried: dict[int, int] = {}
        self._partial: dict[int, bytes] = {}
        self._next = 0
        self.latencies_s = array("d", bytes(8 * (len(intended_s) - 1)))
        self.lags_s = array("d")

    def run(self) -> None:
        """Until every request is answered; raises BrokenReplyError, TimeoutError."""
        left = len(self.latencies_s)
        self._start_s = perf_counter()
        while left:
            pause_s = self._intended_s[self._next] - (perf_counter() - self._start_s)
            if pause_s > 0:
                ready, _, _ = select.select([self._poll], [], [], min(pause_s, PATIENCE_S))
                if not ready and pause_s > PATIENCE_S:
                    raise TimeoutError(f"{left} replies are missing after {PATIENCE_S:.0f} s")
            self._start_due()
            for fd, _ in self._poll.poll(0):
                left -= self._receive(fd)
                self._start_due()
        for connection in self._connections.values():
            connection.close()

    def _start_due(self) -> None:
        now_s = perf_counter() - self._start_s
        while self._intended_s[self._next] <= now_s:
            self.lags_s.append(now_s - self._intended_s[self._next])
            if self._free:
                self._send(self._free.popleft(), self._next)
            else:
                self._waiting.append(self._next)
            self._next += 1
            now_s = perf_counter() - self._start_s

    def _send(self, fd: int, number: int) -> None:
        self._carried[fd] = number
        self._connections[fd].send(self._ready[number % len(self._ready)])

    def _receive(self, fd: int) -> int:
        received = self._connections[fd].recv(65_536)
        if not received:
            raise BrokenReplyError("the server closed a connection")
        if fd in self._partial:
            received = self._partial.pop(fd) + received
        if not is_complete(received):
            self._partial[fd] = received
            return 0
        number = self._carried[fd]
        self.latencies_s[number] = perf_counter() - self._start_s - self._intended_s[number]
        if self._waiting:
            self._send(fd, self._waiting.popleft())
        else:
            self._free.append(fd)
        return 1


def measure(
    port: int, ready: Sequence[bytes], rate_per_s: float, warm_up_s: float, duration_s: float, seed: int
) -> Latencies:
    """One run against a loopback port; what starts during the warm-up is sent but not counted."""
    intended_s = arrivals(rate_per_s, warm_up_s + duration_s, seed)
    unmeasured = sum(1 for at_s in intended_s if at_s < warm_up_s)
    generator = Generator(port, ready, intended_s)
    cpu_before_s, start_s = process_time(), perf_counter()
    generator.run()
    busy = (process_time() - cpu_before_s) / (perf_counter() - start_s)
    latencies_s = sorted(generator.latencies_s[unmeasured:])
    lags_s = sorted(generator.lags_s[unmeasured:])
    return Latencies(
        replies=len(latencies_s),
        p50_us=percentile(latencies_s, 0.5) * 1e6,
        p99_us=percentile(latencies_s, 0.99) * 1e6,
        p999_us=percentile(latencies_s, 0.999) * 1e6,
        lag_p50_us=percentile(lags_s, 0.5) * 1e6,
        lag_p99_us=percentile(lags_s, 0.99) * 1e6,
        generator_busy=busy,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=Path, help="file of ready-made requests")
    parser.add_argument("--rate", type=float, default=6000, help="requests per second")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds")
    parser.add_argument("--duration", type=float, default=8, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    ready = read_requests(given.requests)
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.disable()
    found = measure(given.port, ready, given.rate, given.warm_up, given.duration, given.seed)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
