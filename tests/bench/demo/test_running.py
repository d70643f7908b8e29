"""The demo and the load test as `make` runs them: whole processes, on ports of their own."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from bench.demo.layout import DEFAULT_PORT
from bench.servers.ports import HIGHEST, LOWEST, take

pytestmark = pytest.mark.slow

PORTS: Final = (8080, 8081, 8101, 8102, 8103, 8104, 8201, 8202, 8203, 8204, 9080, 9081)
LIMIT_S: Final = 120.0


def free_base() -> int:
    """An EU edge's port from which all of the demo's ports are free."""
    for _ in range(100):
        base = random.randint(LOWEST, HIGHEST - max(PORTS) + DEFAULT_PORT)
        if all(take(port - DEFAULT_PORT + base) for port in PORTS):
            return base
    raise AssertionError("no free ports")


def command(module: str, base: int, directory: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", module, "--port", str(base), "--directory", str(directory), *options]


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False
    )


def processes_naming(directory: Path) -> list[int]:
    """Every process with the directory on its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it ended while we looked
    return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that prints what there is to try."""
    words = command("bench.demo", free_base(), tmp_path)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process
        process.kill()


def test_the_self_check_finds_everything_right_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run(command("bench.demo", free_base(), tmp_path, "--check-for", "6"))
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") >= 23
    assert processes_naming(tmp_path) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_cleanly(
    demo: subprocess.Popen[str], tmp_path: Path, signum: signal.Signals
) -> None:
    assert demo.stdout is not None
    seen = []
    for line in demo.stdout:
        seen.append(line)
        if "Ctrl-C ends everything" in line:
            demo.send_signal(signum)
            demo.send_signal(signum)  # an impatient second one changes nothing
    assert demo.wait(timeout=LIMIT_S) == 0, "".join(seen)
    assert processes_naming(tmp_path) == []


def test_what_the_demo_started_ends_also_when_the_demo_is_killed(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert demo.stdout is not None
    assert any("Ctrl-C ends everything" in line for line in demo.stdout)
    assert len(processes_naming(tmp_path)) > 8
    demo.kill()
    until_s = time.monotonic() + LIMIT_S
    while processes_naming(tmp_path):
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_taken_port_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    base = free_base()
    with socket.create_server(("127.0.0.1", base + 1)):
        done = run(command("bench.demo", base, tmp_path))
    assert done.returncode == 1
    assert f"these ports are taken: {base + 1} (us-edge)" in done.stdout
    assert "Traceback" not in done.stdout
    assert processes_naming(tmp_path) == []


def test_a_second_demo_in_the_same_directory_is_refused(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert demo.stdout is not None
    assert any("us-edge on" in line for line in demo.stdout)
    done = run(command("bench.demo", free_base(), tmp_path))
    assert (done.returncode, f"already; end it first (`kill {demo.pid}`)" in done.stdout) == (1, True)
    demo.terminate()
    assert demo.wait(timeout=LIMIT_S) == 0


def test_the_load_test_finds_every_reply_from_the_right_cell(tmp_path: Path) -> None:
    done = run(command("bench.load", free_base(), tmp_path, "--seconds", "12", "--people", "30"))
    assert done.returncode == 0, done.stdout
    assert "Every reply came from the right cell." in done.stdout
    assert processes_naming(tmp_path) == []
