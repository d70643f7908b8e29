"""An event loop whose clock stands still until the model moves it: no timer fires by chance."""

from __future__ import annotations

import asyncio


class StandingLoop(asyncio.SelectorEventLoop):
    """`now_s` is what its timers see; sockets and threads wake it as ever."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s
