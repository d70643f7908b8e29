"""The installed command as a shell meets it: pipes, exit codes, completion."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.servers.ports import free_port
from tests.proxy.config.site import Site
from tests.proxy.workers.stage import DEADLINE_S

pytestmark = pytest.mark.slow

HOMECELL = Path(sys.executable).with_name("homecell")


def run(site: Site, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOMECELL_CONFIG": str(site.edge), **more}
    return subprocess.run(
        [HOMECELL, *arguments], cwd=site.folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_sound_config_ends_with_0_and_a_bad_one_with_2(site: Site) -> None:
    good = run(site, "check-config", "edge.yaml")
    assert (good.returncode, good.stderr) == (0, "")
    site.spoil(("  workers: 2", "  workers: 0"))
    bad = run(site, "check-config", "edge.yaml")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "edge.yaml:6: edge.workers is 0\n    it must be at least 1\n1 mistake\n"


@pytest.mark.parametrize("command", ["proxy", "lookup"])
def test_no_server_is_started_on_a_parser_that_takes_too_much(site: Site, command: str) -> None:
    """The environment makes aiohttp do without its C extension, as where its wheel has none."""
    tokens = site.folder / "lookup.tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"read {'r' * 32}\n")
    section = f'lookup_service: {{listen: "127.0.0.1:{free_port()}", tokens_file: lookup.tokens}}\nroutes:\n'
    site.spoil(("routes:\n", section))
    ended = subprocess.run(
        [HOMECELL, command, "--config", site.edge],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert ended.returncode == 1
    assert "aiohttp runs without its C extension" in ended.stderr
    assert "unset AIOHTTP_NO_EXTENSIONS" in ended.stderr


def test_an_edge_does_not_warn_of_what_only_the_lookup_service_reads(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        section = (
            f'lookup_service: {{listen: "127.0.0.1:{free_port()}", tokens_file: none.tokens}}\nroutes:\n'
        )
        site.spoil(("routes:\n", section), ('127.0.0.1:8080"\n  admin', f'127.0.0.1:{port}"\n  admin'))
        assert "none.tokens" in run(site, "check-config", "edge.yaml").stderr
        started = run(site, "proxy")
    assert (started.returncode, "edge.listen" in started.stderr) == (1, True)
    assert "none.tokens" not in started.stderr


def test_a_flag_set_by_one_process_is_seen_by_the_next(site: Site) -> None:
    assert run(site, "cells", "flag", "eu-1", "down", "--reason", "disk full").returncode == 3
    explained = run(site, "explain", "user:1")
    assert explained.returncode == 1
    assert "disk full" in explained.stdout


def test_a_reader_that_goes_away_gives_no_traceback(site: Site) -> None:
    environment = {**os.environ, "HOMECELL_CONFIG": str(site.edge)}
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        broken = subprocess.run(
            [HOMECELL, "cells", "list"],
            env=environment,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "Traceback" not in broken.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_accepts(site: Site, shell: str) -> None:
    script = run(site, "completion", shell)
    assert (script.returncode, script.stderr) == (0, "")
    assert "_HOMECELL_COMPLETE" in script.stdout
    if shutil.which(shell):
        checked = subprocess.run(
            [shell, "-n"], input=script.stdout, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "position", "offered"),
    [
        ("homecell ch", 1, ["plain,check-config"]),
        ("homecell cells flag ", 3, ["plain,eu-1", "plain,us-1"]),
        ("homecell cells flag us", 3, ["plain,us-1"]),
        ("homecell cells flag us-1 d", 4, ["plain,down"]),
        ("homecell token --cell eu", 3, ["plain,eu-1"]),
    ],
)
def test_commands_cells_and_flags_are_completed(
    site: Site, typed: str, position: int, offered: list[str]
) -> None:
    done = run(site, _HOMECELL_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(position))
    assert done.stdout.splitlines() == offered


def test_completion_of_cells_is_silent_while_the_config_is_broken(site: Site) -> None:
    site.edge.write_text("edge: [")
    done = run(site, _HOMECELL_COMPLETE="bash_complete", COMP_WORDS="homecell cells flag ", COMP_CWORD="3")
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_terminal_gets_a_ruled_table_with_colour(site: Site) -> None:
    run(site, "cells", "flag", "eu-1", "down", "--reason", "disk full")
    shown = on_terminal(site, "cells", "list")
    assert "─" in shown
    assert "\x1b[1;31mdown" in shown
    assert "\x1b[" not in on_terminal(site, "cells", "list", NO_COLOR="1").replace("\x1b[1m", "").replace(
        "\x1b[0m", ""
    )


def on_terminal(site: Site, *arguments: str, **more: str) -> str:
    """What the command writes to a terminal of 200 columns."""
    environment = {**os.environ, "HOMECELL_CONFIG": str(site.edge), "TERM": "xterm", "COLUMNS": "200", **more}
    controller, terminal = os.openpty()
    with os.fdopen(controller, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [HOMECELL, *arguments], env=environment, stdout=terminal, stderr=subprocess.DEVNULL
        )
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = screen.read(65_536)
            except OSError:  # Linux: the other side is closed
                break
            if not part:
                break
            shown += part
        assert process.wait(DEADLINE_S) == 0
    return shown.decode()


@pytest.mark.slow
def test_access_log_and_messages_stand_whole_in_one_file(site: Site) -> None:
    port, log = free_port(), site.folder / "edge.log"
    site.spoil(
        ("access_log: access.log", "access_log: /dev/stdout"),
        ('listen: "127.0.0.1:8080"', f'listen: "127.0.0.1:{port}"'),
        ('admin: "127.0.0.1:1"', f'admin: "127.0.0.1:{free_port()}"'),
    )
    script = 'exec "$0" proxy --config "$1" >"$2" 2>&1'
    words = ["/bin/sh", "-c", script, str(HOMECELL), str(site.edge), str(log)]
    with subprocess.Popen(words) as edge:
        try:
            statuses = [ask_without_token(port) for _ in range(3)]
            wait_for(log, '"status":401', len(statuses))
            edge.terminate()  # of which it tells, after the lines
            assert edge.wait(DEADLINE_S) == 0
        finally:
            edge.kill()
    lines = log.read_text().splitlines()
    requests = [json.loads(line) for line in lines if line.startswith("{")]
    assert [request["status"] for request in requests] == statuses == [401, 401, 401]
    assert not [line for line in lines if not line.startswith("{") and ("{" in line or "}" in line)]
    assert "\0" not in log.read_text()


def wait_for(log: Path, words: str, times: int) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while log.read_text().count(words) < times:
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.01)


def ask_without_token(port: int) -> int:
    """The status of the reply, once the edge listens."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
                return int(client.makefile("rb").readline().split()[1])
        except ConnectionRefusedError:
            assert time.monotonic() < deadline_s, "the edge never listened"
            time.sleep(0.01)
