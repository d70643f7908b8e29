"""The limit of open files: taken whole, and parted between clients and cells."""

from __future__ import annotations

import subprocess
import sys

import pytest

from proxy.kernel.open_files import room_for_clients

LOWER_AND_RAISE = """
import resource
from proxy.kernel.open_files import raise_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(hard, 512)))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_all_that_the_system_grants_is_taken() -> None:
    ran = subprocess.run([sys.executable, "-c", LOWER_AND_RAISE], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["512", "512", "512"]


@pytest.mark.parametrize(("open_files", "clients"), [(20_000, 13_248), (1024, 597), (64, 1)])
def test_clients_leave_room_for_connections_to_cells(open_files: int, clients: int) -> None:
    assert room_for_clients(open_files) == clients
