"""A flag set from the command line reaches the workers of a real edge, which say so."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from bench.servers.ports import free_port
from proxy.cli.acknowledgement import ask_workers
from proxy.cli.admin_port import AdminUnreachableError
from proxy.model import Endpoint
from tests.proxy.cli.conftest import Homecell
from tests.proxy.cli.test_process import HOMECELL
from tests.proxy.cli.test_users import EU_2
from tests.proxy.config.site import Site

START_S = 60.0


@pytest.fixture
def edge(site: Site) -> Iterator[Endpoint]:
    """The admin port of a running edge with two workers."""
    listen, admin = free_port(), free_port()
    site.spoil(
        ('listen: "127.0.0.1:8080"', f'listen: "127.0.0.1:{listen}"'),
        ('admin: "127.0.0.1:1"', f'admin: "127.0.0.1:{admin}"'),
    )
    process = subprocess.Popen([HOMECELL, "proxy", "--config", site.edge], stderr=subprocess.DEVNULL)
    try:
        endpoint = Endpoint("127.0.0.1", admin)
        wait_until_ready(endpoint, process)
        yield endpoint
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(START_S) == 0


def wait_until_ready(admin: Endpoint, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            if [worker.ready for worker in ask_workers(admin)] == [True, True]:
                return
        except AdminUnreachableError:
            pass
        time.sleep(0.05)
    raise AssertionError("the edge did not become ready")


@pytest.mark.slow
def test_a_flag_is_acknowledged_by_every_worker_of_a_running_edge(homecell: Homecell, edge: Endpoint) -> None:
    for flag in ("down", "serving"):
        result = homecell("cells", "flag", "eu-1", flag, "--reason", "drill", "--author", "anna")
        assert (result.exit_code, result.stderr) == (0, "")
        assert "applied on 2 of 2 workers of edge-1, slowest " in result.stdout
    versions = [worker.flags["eu-1"] for worker in ask_workers(edge)]
    assert versions == [2, 2]


@pytest.mark.slow
@pytest.mark.usefixtures("edge")
def test_a_running_edge_tells_that_it_does_not_list_a_cell_added_since(
    homecell: Homecell, site: Site
) -> None:
    site.spoil(EU_2)
    refused = homecell("users", "move", "user:1", "--to", "eu-2", "--no-copy")
    assert (refused.exit_code, "does not list `eu-2` yet" in refused.stderr) == (2, True)
    assert homecell("explain", "user:1").exit_code == 0
    assert homecell("users", "place", "user:9", "--cell", "eu-2", "--force").exit_code == 0
    explained = homecell("explain", "user:9")
    assert (explained.exit_code, "(home-not-listed)" in explained.stdout) == (1, True), explained.stdout
