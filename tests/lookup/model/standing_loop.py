"""An event loop whose clock stands still until a test moves it: no timer fires by chance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


class StandingLoop(asyncio.SelectorEventLoop):
    """`now_s` is what its timers see; sockets and threads wake it as ever."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


def timeless(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """The coroutine as a plain function, on such a loop."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=StandingLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def standing_loop() -> StandingLoop:
    """The one that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StandingLoop)
    return loop
