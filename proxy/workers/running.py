"""`homecell proxy`: bind, start the supervisor, stay until it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from lookup.snapshot_file import SnapshotFiles
from proxy.config import Loaded, Settings
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
    timing = replace(timing or Timing(), waits_for_store=_has_served(loaded.settings))
    try:
        listeners = listen(edge.listen, edge.workers)
        supervisor = Supervisor(loaded, listeners, command, timing)
        return asyncio.run(supervisor.run())
    except (ListenError, AdminError) as error:
        _log.error("%s", error)
        return 1


def _has_served(settings: Settings) -> bool:
    """Whether this edge has left a snapshot, be it a torn one: what it is told has worked before, and a start
    that only lacks the store is one to be waited for."""
    if settings.snapshot is None:
        return False
    files = SnapshotFiles(settings.snapshot.folder, settings.edge.name, 0)
    return any(os.path.lexists(path) for path in files.all())
