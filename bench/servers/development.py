"""The servers of `make up`: Redis and Cassandra on their usual ports, in a folder of the project."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from bench.servers.cassandra import CassandraRing
from bench.servers.cassandra_jars import RUN_FOLDER
from bench.servers.process import recorded_pid, stop_recorded
from bench.servers.redis import start_redis

HOST: Final = "127.0.0.1"
REDIS_PORT: Final = 6379
CASSANDRA_PORT: Final = 9042

_FOLDER: Final = RUN_FOLDER / "servers"
_REDIS: Final = "redis"
_CASSANDRA: Final = Path("cassandra/node-1")
_HEAP_MB: Final = 1000


def running(folder: Path = _FOLDER) -> bool:
    """Whether both run."""
    return all(recorded_pid(folder / part) is not None for part in (_REDIS, _CASSANDRA))


def start_missing(folder: Path = _FOLDER) -> list[str]:
    """Start what does not run, to outlive this process; the names of what was started. Raises ServerError."""
    started = []
    if recorded_pid(folder / _REDIS) is None:
        start_redis(folder / _REDIS, port=REDIS_PORT)
        started.append("Redis")
    if recorded_pid(folder / _CASSANDRA) is None:
        folder = folder / _CASSANDRA.parent
        CassandraRing(folder, port=CASSANDRA_PORT, heap_mb=_HEAP_MB, spares_cores=True).start()
        started.append("Cassandra")
    return started


def stop_all(folder: Path = _FOLDER) -> list[str]:
    """End both and drop what they hold; the names of what ran."""
    ran = [
        name for name, part in (("Cassandra", _CASSANDRA), ("Redis", _REDIS)) if stop_recorded(folder / part)
    ]
    shutil.rmtree(folder, ignore_errors=True)
    return ran
