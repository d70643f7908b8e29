"""Where log lines go: standard streams, sockets, full disks; nothing is torn and nobody else disturbed."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.observe.log_target import LogTarget


def test_lines_go_to_standard_output_without_changing_it_for_others() -> None:
    program = (
        "import os\nfrom proxy.observe.log_target import LogTarget\n"
        "target = LogTarget('/dev/stdout')\ntarget.write([b'one\\n', b'two\\n'])\n"
        "print(os.get_blocking(1), flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"one\ntwo\nTrue\n"


def test_a_socket_for_standard_output_that_nobody_reads_costs_lines_but_tears_none() -> None:
    program = (
        "import sys\nfrom proxy.observe.log_target import LogTarget\n"
        "target = LogTarget('/dev/stdout')\n"
        "line = b'x' * 999 + b'\\n'\n"
        "dropped = sum(target.write([line] * 64) for _ in range(100))\n"
        "sys.stderr.write(str(dropped) + '\\n'); sys.stderr.flush(); sys.stdin.read()\n"
        "sys.stderr.write(str(target.write([line])))"
    )
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
        ) as writer,
    ):
        theirs.close()
        assert writer.stdin is not None
        assert writer.stderr is not None
        dropped = int(writer.stderr.readline())
        assert dropped > 0
        ours.setblocking(False)
        first = _receive_all(ours)
        writer.stdin.close()
        assert writer.stderr.read() == b"0"
        lines = (first + _receive_all(ours)).splitlines()
        assert {len(line) for line in lines} == {999}
        assert len(lines) + dropped == 64 * 100 + 1


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_standard_stream_in_a_file_loses_nothing_of_who_else_writes_to_it(
    tmp_path: Path, stream: str
) -> None:
    path = tmp_path / "access.log"
    program = (
        "import os, subprocess, sys\n"
        "from proxy.observe.log_target import LogTarget\n"
        "os.write(1, b'started\\n')\n"
        f"target = LogTarget('/dev/{stream}')\n"
        "target.write([b'{\"line\": 1}\\n'])\n"
        "os.write(2, b'a message\\n')\n"
        "target.reopen()\n"
        "target.write([b'{\"line\": 2}\\n'])\n"
        "subprocess.run([sys.executable, '-c', \"print('a child')\"], check=True)\n"
        "target.write([b'{\"line\": 3}\\n'])\n"
    )
    subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >"$2" 2>&1', sys.executable, program, path], check=True
    )
    assert path.read_bytes().splitlines() == [
        b"started",
        b'{"line": 1}',
        b"a message",
        b'{"line": 2}',
        b"a child",
        b'{"line": 3}',
    ]


def test_a_full_disk_costs_lines_and_is_counted() -> None:
    target = LogTarget("/dev/full")
    assert target.write([b"one\n", b"two\n"]) == 2
    target.close()


def _receive_all(end: socket.socket) -> bytes:
    """What waits in a socket that does not block."""
    parts: list[bytes] = []
    with suppress(BlockingIOError):
        while part := end.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)
