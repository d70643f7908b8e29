"""The demo on Cassandra and Redis, which it starts and kills: as `make demo STORE=cassandra` runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from bench.servers.cassandra_jars import cassandra_jars, find_java
from bench.servers.redis import find_redis_server
from tests.bench.demo.test_running import command, free_base, processes_naming
from tests.support.servers import needed

pytestmark = pytest.mark.slow

LIMIT_S: Final = 400.0


def test_the_self_check_kills_both_servers_and_no_user_notices_more_than_it_should(tmp_path: Path) -> None:
    with needed():
        find_redis_server()
        find_java()
        cassandra_jars()
    words = command("bench.demo", free_base(), tmp_path, "--store", "cassandra", "--check-for", "1")
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout
    for outage in ("(Redis)", "requests that failed meanwhile", "(Cassandra)", "without leases and feed"):
        assert outage in done.stdout
    assert processes_naming(tmp_path) == []
