"""A worker that misbehaves as its first argument says, at the start or at the end.

refuses        can't start, and says why
refuses-twice  the same, for the first two starts of each slot
lacks-store    as refuses, for four starts: the store does not answer
hangs          never becomes ready
reads-long     has its loop stand still for two seconds before it is ready
never-drains   serves nothing, and does not end when told to drain
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path
from typing import Final

from lookup.ports import StoreUnavailableError
from proxy import worker
from proxy.config import Settings
from proxy.observe.heavy import NOTHING, Tally

_READS_S: Final = 2.0


class Idle:
    """A data plane that serves nothing."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s

    def flag_versions(self) -> dict[str, int]:
        return {"eu-west-1-cell-01": 4}

    def key_set(self) -> bytes:
        return b""

    def reopen_logs(self) -> None:
        return

    def place_by(self, settings: Settings) -> None:
        del settings

    def tally(self) -> Tally:
        return NOTHING

    async def adopt(self, listener: socket.socket) -> int:
        return listener.fileno()

    def release(self, number: int) -> None:
        del number

    def ending(self) -> tuple[str, int]:
        return "its idle hours", 7

    async def drain(self, timeout_s: float) -> None:
        await asyncio.sleep(max(self._drain_s, timeout_s))


def _starts(settings: Settings, slot: int) -> int:
    """How often this slot's worker was started, this time included."""
    file = Path(settings.path).with_name(f"starts-{slot}")
    count = (int(file.read_text()) if file.exists() else 0) + 1
    file.write_text(str(count))
    return count


def _start(manner: str) -> worker.Start:
    async def start(
        settings: Settings, slot: int, listener: socket.socket, row: memoryview, key_set: bytes
    ) -> Idle:
        del listener, row, key_set
        starts = _starts(settings, slot)
        if manner == "refuses" or (manner == "refuses-twice" and starts <= 2):
            raise OSError("the key cabinet is locked")
        if manner == "lacks-store" and starts <= 4:
            raise StoreUnavailableError("the store is out")
        if manner == "hangs":
            await asyncio.sleep(3600)
        if manner == "reads-long":
            time.sleep(_READS_S)  # noqa: ASYNC251  # as an import does on a machine that is busy
        return Idle(3600.0 if manner == "never-drains" else 0.0)

    return start


if __name__ == "__main__":
    sys.exit(worker.main(sys.argv[2:], _start(sys.argv[1])))
