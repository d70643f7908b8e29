"""Work that a cancellation gets lost in, as in `asyncio.wait_for` of Python 3.11."""

from __future__ import annotations

import asyncio


class Deaf:
    """`wait` takes no notice of so many cancellations; `heard` counts all."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.heard = 0
        self.waiting = asyncio.Event()

    async def wait(self) -> None:
        """Never ends by itself."""
        while True:
            self.waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.heard += 1
                if self.heard > self._times:
                    raise
