"""How servers are started, watched and ended, shown with small programs in their place."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from bench.servers.cassandra_jars import find_java
from bench.servers.ports import free_port, listens
from bench.servers.process import ServerError, ServerProcess, poll, recorded_pid, stop_recorded
from bench.servers.redis import find_redis_server

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('here'); time.sleep(60)"


def process(folder: Path, program: str, port: int, ready_s: float = 60.0) -> ServerProcess:
    return ServerProcess(
        "the server",
        [sys.executable, "-u", "-c", program],
        folder,
        [("127.0.0.1", port)],
        lambda: listens("127.0.0.1", port),
        ready_s,
    )


def test_a_server_is_waited_for_and_ended_and_can_be_started_again(tmp_path: Path) -> None:
    port = free_port()
    server = process(tmp_path, LISTEN.format(port=port), port)
    for end in (server.stop, server.kill):
        server.start()
        server.wait_ready()
        assert recorded_pid(tmp_path) == server.pid
        end()
        assert not listens("127.0.0.1", port)
        assert recorded_pid(tmp_path) is None
    server.stop()


def test_a_server_that_ends_at_once_shows_what_it_said(tmp_path: Path) -> None:
    server = process(tmp_path, "print('no such option'); raise SystemExit(3)", free_port())
    server.start()
    with pytest.raises(ServerError, match=r"ended with 3:\n.*no such option"):
        server.wait_ready()


def test_a_server_that_stays_silent_is_ended(tmp_path: Path) -> None:
    server = process(tmp_path, "import time; time.sleep(60)", free_port(), ready_s=0.3)
    server.start()
    pid = server.pid
    with pytest.raises(ServerError, match="not ready after"):
        server.wait_ready()
    assert not Path(f"/proc/{pid}").exists()


def test_another_process_ends_what_this_one_started_and_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    server = process(tmp_path, LISTEN.format(port=port), port)
    server.start()
    server.wait_ready()
    record = (tmp_path / "pid").read_text()
    pid, started_at = record.split()
    (tmp_path / "pid").write_text(f"{pid} {int(started_at) + 1}\n")
    assert not stop_recorded(tmp_path), "the id is another process's now"
    assert listens("127.0.0.1", port)
    (tmp_path / "pid").write_text(record)
    assert stop_recorded(tmp_path)
    assert poll(lambda: not listens("127.0.0.1", port), 30.0)
    assert not stop_recorded(tmp_path)
    server.stop()


def test_a_frozen_server_can_be_ended(tmp_path: Path) -> None:
    port = free_port()
    server = process(tmp_path, LISTEN.format(port=port), port)
    server.start()
    server.wait_ready()
    server.signal(signal.SIGSTOP)
    server.stop()
    assert not listens("127.0.0.1", port)


def test_a_server_that_was_frozen_or_killed_or_died_is_revived(tmp_path: Path) -> None:
    port = free_port()
    server = process(tmp_path, LISTEN.format(port=port), port)
    server.start()
    server.wait_ready()
    first = server.pid
    server.signal(signal.SIGSTOP)
    server.revive()
    assert server.pid == first
    assert poll(lambda: state(first) != "T", 30.0)
    server.kill()
    server.revive()
    assert listens("127.0.0.1", port)
    server.signal(signal.SIGKILL)
    assert poll(lambda: state(server.pid) == "Z", 30.0)
    server.revive()
    assert listens("127.0.0.1", port)
    server.stop()


def state(pid: int) -> str:
    """As the kernel tells it: T for a process that is stopped, Z for one that has died."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_missing_program_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="apt-get install redis-server"):
        find_redis_server()
    with pytest.raises(ServerError, match="apt-get install openjdk-17"):
        find_java()


def test_another_java_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(ServerError, match="is not Java 17"):
        find_java()
