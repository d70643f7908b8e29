"""`python -m bench.servers up` starts Redis and Cassandra for development; `down` ends and empties them."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from bench.servers.development import CASSANDRA_PORT, HOST, REDIS_PORT, start_missing, stop_all
from bench.servers.process import ServerError

_NEXT: Final = """Next, in this directory:
  make demo STORE=cassandra                                        # the demo, on these servers
  make demo STORE=cassandra DEMO_SECONDS=20                        # its self-check kills servers: its own
  .venv/bin/homecell store init --config configs/cassandra.yaml    # an edge of your own, with the demo's keys
  make down                                                        # ends them and drops what they hold"""


def up() -> None:
    """Start both, as far as they don't run; they outlive this process."""
    begun_s = time.monotonic()
    print("Starting Redis and Cassandra (the first time, Cassandra is fetched: 66 MB) ...", flush=True)
    started = start_missing()
    for name, port in (("Redis", REDIS_PORT), ("Cassandra", CASSANDRA_PORT)):
        print(f"{name} serves on {HOST}:{port}{'' if name in started else ', as before'}")
    print(f"({time.monotonic() - begun_s:.0f} s)\n\n{_NEXT}")


def down() -> None:
    """End both and drop what they hold."""
    ran = stop_all()
    print(f"ended: {', '.join(ran)}" if ran else "nothing ran")


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
