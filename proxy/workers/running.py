"""`homecell proxy`: bind, start the supervisor, stay until it ends."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from proxy.config import Loaded
from proxy.control.admin import AdminError
from proxy.workers.decisions import Timing
from proxy.workers.listeners import ListenError, listen
from proxy.workers.process import COMMAND
from proxy.workers.supervisor import Supervisor

_log = logging.getLogger("homecell")


def run(loaded: Loaded, command: Sequence[str] = COMMAND, timing: Timing | None = None) -> int:
    """Run the edge until it is told to stop (SIGTERM, SIGINT); the process's exit status.

    Standard error tells what happens to the workers, and why the edge can't start if it can't (status 1).
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    edge = loaded.settings.edge
    try:
        listeners = listen(edge.listen, edge.workers)
        supervisor = Supervisor(loaded, listeners, command, timing or Timing())
        return asyncio.run(supervisor.run())
    except (ListenError, AdminError) as error:
        _log.error("%s", error)
        return 1
