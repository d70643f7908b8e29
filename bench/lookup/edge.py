"""The row of the proxy: CPU per request with Redis and Cassandra behind it, beside the embedded store.

The machinery, the traffic and the checks are those of `bench.peers`; both edges take turns in every round.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from bench.lookup.figures import Figure
from bench.lookup.stage import Stage
from bench.peers import table
from bench.peers.arithmetic import ratios, spread
from bench.peers.cores import pick_here
from bench.peers.launch import Launcher, free_port
from bench.peers.pythons import PythonBuild, inspect
from bench.peers.rows import EVERYTHING_ON, Row
from bench.peers.servers import MissingError, Running, homecell
from bench.peers.session import Stage as PeerStage
from bench.peers.session import start_rows
from bench.peers.table import Measured
from bench.peers.traffic import CELL_NAMES, Algorithm, World, make_world
from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra_settings import CassandraSettings

TARGET: Final = 1.03
ROUNDS: Final = 5
RUN_S: Final = 4


def edge(stage: Stage) -> list[Figure]:
    """Raises MissingError without nginx, wrk, the program `homecell` or a second core."""
    cores = pick_here()
    if cores is None:
        raise MissingError("two cores: one for the proxy, one for origin, load and servers")
    build = inspect(Path(sys.executable), None)
    with Launcher(*cores) as launcher:
        world = make_world(tuple(free_port() for _ in CELL_NAMES))
        with _on_core(launcher.load_core):
            redis, cassandra = stage.redis(), stage.cassandra(list(homecell.records(world)))
        rows = [
            _row(build, "embedded", "embedded store", None),
            _row(build, "servers", "Redis and Cassandra", sections(cassandra, redis)),
        ]
        peers = PeerStage(launcher, world)
        missing: dict[str, str] = {}
        start_rows(peers, rows, missing, stage.tell)
        if missing:
            raise MissingError("; ".join(missing.values()))
        found = table.measure(launcher, rows, peers.running, peers.requests, ROUNDS, RUN_S, stage.tell)
    return figures(*found)


def figures(embedded: Measured, servers: Measured) -> list[Figure]:
    """The ratio within each round, its median and its ends."""
    ratio = spread(ratios(servers.cpu_us(), embedded.cpu_us()))
    ends = f"{ratio.lower:.3f} to {ratio.upper:.3f} in the middle half of {len(servers.samples)} rounds"
    return [
        *(
            Figure(
                f"CPU a request, {measured.row.label}",
                spread(measured.cpu_us()).median,
                "µs",
                note=f"{median(sample.replies_per_s for sample in measured.samples):,.0f} replies/s",
            )
            for measured in (embedded, servers)
        ),
        Figure("ratio", ratio.median, "x", TARGET, ends),
    ]


def sections(cassandra: CassandraSettings, redis: RedisSettings) -> dict[str, object]:
    """Of an edge's config, for servers in plain."""
    host, port = redis.addresses[0]
    return {
        "store": {
            "kind": "cassandra",
            "cassandra": {
                "contact_points": list(cassandra.addresses),
                "port": cassandra.port,
                "datacentre": cassandra.datacentre,
                "keyspace": cassandra.keyspace,
                "replication": {cassandra.datacentre: 1},
            },
        },
        "redis": {"addresses": [f"{host}:{port}"]},
    }


def _row(build: PythonBuild, key: str, label: str, servers: dict[str, object] | None) -> Row:
    def start(launcher: Launcher, world: World) -> Running:
        return homecell.start(launcher, world, build, servers)

    return Row(key, label, key, Algorithm.HS256, start, EVERYTHING_ON, build=build)


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """What is started within keeps to that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
