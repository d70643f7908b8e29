"""`python -m bench` says what there is to run; by itself it runs nothing."""

from __future__ import annotations

import argparse
from typing import Final

PARTS: Final = {
    "bench.demo": "two edges, four sample cells and traffic on this machine, or its self-check: `make demo`",
    "bench.load": "people-like traffic by locust against the demo: `make load`",
    "bench.lookup": "the lookup beside its targets, on Redis and Cassandra: `make bench-lookup`",
    "bench.moves": "how many users a second are moved",
    "bench.peers": "CPU per request and latency beside nginx, HAProxy and Envoy: `make bench`",
    "bench.servers": "Redis and Cassandra for development: `make up`, `make down`",
}


def main() -> None:
    """The list, by its own word or by --help."""
    lines = "\n".join(f"  python -m {name:14} {shows}" for name, shows in PARTS.items())
    parser = argparse.ArgumentParser(
        "python -m bench",
        usage="python -m PART [--help]",
        description=f"Each part has its own --help:\n\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    parser.print_help()


if __name__ == "__main__":
    main()
