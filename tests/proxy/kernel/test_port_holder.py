"""A taken port names who took it, and what to do."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

from proxy.kernel.port_holder import cannot_listen, holder_of

LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def test_the_process_that_listens_is_found() -> None:
    command = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        holder = holder_of(port)
        told = cannot_listen("edge.listen", "127.0.0.1", port, OSError(errno.EADDRINUSE, "in many words"))
        other.communicate("")
    assert holder is not None
    assert holder.pid == other.pid
    assert holder.command.startswith(sys.executable)
    assert told.startswith(
        f"cannot listen on edge.listen 127.0.0.1:{port}: Address already in use, by pid {other.pid}"
    )
    assert told.endswith(f"(`kill {other.pid}`), or give edge.listen another port")


def test_also_on_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        holder = holder_of(server.getsockname()[1])
    assert holder is not None
    assert holder.pid == os.getpid()


def test_of_a_family_the_oldest_is_named_even_if_its_child_has_a_lower_pid(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text("head\n 0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 777 1\n")
    for pid, parent, started in ((55, 900, 4_000), (900, 1, 3_000)):
        (tmp_path / f"{pid}/fd").mkdir(parents=True)
        (tmp_path / f"{pid}/fd/3").symlink_to("socket:[777]")
        (tmp_path / f"{pid}/stat").write_text(f"{pid} (a) b) S {parent} {'0 ' * 17}{started} 0 0\n")
        (tmp_path / f"{pid}/cmdline").write_bytes(b"edge\0")
    holder = holder_of(8080, tmp_path)
    assert holder is not None
    assert holder.pid == 900


def test_who_is_only_connected_holds_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
    with client, accepted:
        assert holder_of(port) is None


def test_a_port_that_only_a_connection_holds_is_blamed_on_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with client, accepted:
        port = client.getsockname()[1]
        told = cannot_listen("edge.listen", "127.0.0.1", port, OSError(errno.EADDRINUSE, "in many words"))
    assert "though nobody listens there" in told
    assert f"`ss -tan sport = :{port}`" in told


def test_every_other_reason_has_a_mend_too() -> None:
    for number in (errno.EADDRNOTAVAIL, errno.EACCES):
        told = cannot_listen("edge.admin", "192.0.2.1", 80, OSError(number, os.strerror(number)))
        assert told.startswith(
            f"cannot listen on edge.admin 192.0.2.1:80: {os.strerror(number)}. Give edge.admin"
        )
