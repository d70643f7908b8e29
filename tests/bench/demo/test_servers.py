"""On which Redis and Cassandra the demo runs is said before it waits for them."""

from __future__ import annotations

import pytest

from bench.demo.servers import choice


@pytest.mark.parametrize(
    ("others_run", "may_kill", "says"),
    [
        (True, False, "using the Redis and Cassandra of `make up`"),
        (False, False, "starting a Redis and a Cassandra of its own ..."),
        (False, True, "starting a Redis and a Cassandra of its own ..."),
        (True, True, "of its own, as it kills them; those of `make up` are left alone ..."),
    ],
)
def test_it_says_which_servers_it_uses(others_run: bool, may_kill: bool, says: str) -> None:
    assert choice(others_run=others_run, may_kill=may_kill).endswith(says)
