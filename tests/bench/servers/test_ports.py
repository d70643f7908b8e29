"""A port for a server that will listen soon: nobody else's until then."""

from __future__ import annotations

import random
import socket
import subprocess
import sys

from bench.servers.ports import free_port, listens

SEED = 7


def drawn() -> int:
    """The port that comes of the same draws each time."""
    before = random.getstate()
    random.seed(SEED)
    try:
        return free_port()
    finally:
        random.setstate(before)


def test_a_port_is_given_once_though_nothing_listens_on_it_yet() -> None:
    ports = [drawn() for _ in range(5)]
    assert len(set(ports)) == 5
    assert not any(listens("127.0.0.1", port) for port in ports)


def test_another_process_is_given_another_port() -> None:
    ours = {drawn() for _ in range(5)}
    source = f"import random; random.seed({SEED}); from bench.servers import ports; print(ports.free_port())"
    theirs = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert int(theirs.stdout) not in ours


def test_a_server_can_listen_on_the_port_that_it_was_given() -> None:
    with socket.create_server(("127.0.0.1", port := free_port())):
        assert listens("127.0.0.1", port)
