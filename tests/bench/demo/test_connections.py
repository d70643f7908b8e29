from __future__ import annotations

import os
import socket
import subprocess
import sys

from bench.demo.connections import connections_held, is_stopped

_HOLDS_ONE = """
import socket, sys
held = socket.socket(fileno=int(sys.argv[1])).accept()
print("ready", flush=True)
input()
"""


def test_a_process_holds_the_connections_that_it_has_accepted_on_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as other:
        address, port = listener.getsockname(), listener.getsockname()[1]
        with socket.create_connection(address), socket.create_connection(address):
            assert connections_held(os.getpid(), port) == 0, "both wait to be accepted"
            with listener.accept()[0]:
                assert connections_held(os.getpid(), port) == 1
                assert connections_held(os.getpid(), other.getsockname()[1]) == 0
                with listener.accept()[0]:
                    assert connections_held(os.getpid(), port) == 2


def test_another_process_holds_what_it_has_accepted_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor, port = listener.fileno(), listener.getsockname()[1]
        with (
            subprocess.Popen(
                [sys.executable, "-c", _HOLDS_ONE, str(descriptor)],
                pass_fds=[descriptor],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as child,
            socket.create_connection(listener.getsockname()),
        ):
            assert child.stdout is not None
            child.stdout.readline()
            assert (connections_held(child.pid, port), connections_held(os.getpid(), port)) == (1, 0)
            assert not is_stopped(child.pid)
            child.kill()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            assert is_stopped(child.pid)
