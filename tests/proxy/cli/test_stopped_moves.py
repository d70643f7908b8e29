"""Ctrl-C and SIGTERM to a command: it lets go of the move that it drives, and says how to go on."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.proxy.cli.conftest import Homecell
from tests.proxy.cli.test_users import EU_2
from tests.proxy.config.site import Site

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
STAYS_OPEN = (
    "Error: stopped; the move stays open, and this user's writes are refused until it is resumed or aborted\n"
    "       homecell moves resume op-1, or homecell moves abort op-1\n"
)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (Path(sys.executable).with_name("homecell"), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_in_copy(site: Site, number: signal.Signals, command: Sequence[str]) -> tuple[int, str]:
    """How the command ends that is sent the signal while it copies."""
    began = site.folder / "began"
    began.unlink(missing_ok=True)
    running = start(*command)
    while not began.exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    return running.returncode, said


def insist_on_let_go(homecell: Homecell, step: str) -> None:
    (move,) = json.loads(homecell("moves", "list", "--json").stdout)
    assert (move["step"], move["holder"], move["detail"]) == (step, "", "its driver was stopped")


@BOTH
def test_a_move_that_is_stopped_stays_open_and_free_for_the_next_one(
    homecell: Homecell, site: Site, number: signal.Signals
) -> None:
    site.spoil(EU_2)
    copy = f"sh -c 'touch {site.folder}/began; [ -e {site.folder}/go ] || sleep 60'"
    command = ("users", "move", "user:1", "--to", "eu-2", "--copy-command", copy, "--operation", "op-1")
    assert stop_in_copy(site, number, command) == (3, STAYS_OPEN)
    insist_on_let_go(homecell, "copying")
    assert stop_in_copy(site, number, ("moves", "resume", "op-1")) == (3, STAYS_OPEN)
    insist_on_let_go(homecell, "copying")
    (site.folder / "go").touch()
    assert homecell("moves", "resume", "op-1").exit_code == 0


@BOTH
def test_an_abort_that_is_stopped_while_it_waits_for_the_former_driver_lets_go_too(
    homecell: Homecell, site: Site, number: signal.Signals
) -> None:
    site.spoil(EU_2)
    copy = f"sh -c 'touch {site.folder}/began; sleep 60'"
    driving = start("users", "move", "user:1", "--to", "eu-2", "--copy-command", copy, "--operation", "op-1")
    try:
        while not (site.folder / "began").exists():
            assert driving.poll() is None
            time.sleep(0.01)
        driving.send_signal(signal.SIGSTOP)
        aborting = start("moves", "abort", "op-1")
        while '"step": "returning"' not in homecell("moves", "list", "--json").stdout:
            assert aborting.poll() is None
        aborting.send_signal(number)
        _, said = aborting.communicate(timeout=60)
        assert (aborting.returncode, said) == (3, STAYS_OPEN)
        insist_on_let_go(homecell, "returning")
    finally:
        driving.kill()
        driving.communicate()
    assert homecell("moves", "abort", "op-1").exit_code == 0


@BOTH
@pytest.mark.usefixtures("homecell")
def test_a_command_that_is_stopped_while_its_store_is_silent_says_so(
    site: Site, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        token = site.folder / "lookup.token"
        token.touch(mode=0o600)
        token.write_text("t" * 32)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        site.spoil(
            ("{kind: sqlite, path: home.sqlite}", f"{{kind: remote, url: {url}, token_file: {token.name}}}")
        )
        asking = start("users", "place", "user:9", "--cell", "eu-1")
        with silent.accept()[0]:
            asking.send_signal(number)
            _, said = asking.communicate(timeout=30)
    assert (asking.returncode, said) == (
        3,
        "Error: stopped before the store had answered\n"
        "       what the store was asked to write may be written: the same command again tells, or goes on\n",
    )
