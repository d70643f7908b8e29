"""Runs a supervisor as `homecell proxy` does, but with a patience and a worker of the test's choosing.

python -m tests.proxy.workers.supervise CONFIG SILENT_S FIRST_DELAY_S WORKER_MODULE [ARGUMENT ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from proxy.config import load_with_warnings
from proxy.workers import Timing, run


def main(config: str, silent_s: str, first_delay_s: str, *worker: str) -> int:
    timing = Timing(silent_s=float(silent_s), first_delay_s=float(first_delay_s))
    return run(load_with_warnings(Path(config)), (sys.executable, "-m", *worker), timing)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
