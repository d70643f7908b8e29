"""`python -m bench.servers up` starts Redis and Cassandra for development; `down` ends and empties them."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import Final

from bench.servers.cassandra import CassandraRing
from bench.servers.cassandra_jars import RUN_FOLDER
from bench.servers.process import ServerError, recorded_pid, stop_recorded
from bench.servers.redis import start_redis

REDIS_PORT: Final = 6379
CASSANDRA_PORT: Final = 9042

_FOLDER: Final = RUN_FOLDER / "servers"
_REDIS: Final = _FOLDER / "redis"
_CASSANDRA: Final = _FOLDER / "cassandra"
_HEAP_MB: Final = 1000


def up() -> None:
    """Start both, as far as they don't run; they outlive this process."""
    if recorded_pid(_REDIS) is not None:
        print("Redis runs already")
    else:
        start_redis(_REDIS, port=REDIS_PORT)
        print(f"Redis serves on 127.0.0.1:{REDIS_PORT}")
    if recorded_pid(_CASSANDRA / "node-1") is not None:
        print("Cassandra runs already")
    else:
        CassandraRing(_CASSANDRA, port=CASSANDRA_PORT, heap_mb=_HEAP_MB).start()
        print(f"Cassandra serves on 127.0.0.1:{CASSANDRA_PORT}")


def down() -> None:
    """End both and drop what they hold."""
    for name, folder in (("Cassandra", _CASSANDRA / "node-1"), ("Redis", _REDIS)):
        print(f"{name} is ended" if stop_recorded(folder) else f"{name} did not run")
    shutil.rmtree(_FOLDER, ignore_errors=True)


def main() -> int:
    """0, or 1 with a message that names the mend."""
    parser = argparse.ArgumentParser(prog="python -m bench.servers", description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    try:
        up() if parser.parse_args().action == "up" else down()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
