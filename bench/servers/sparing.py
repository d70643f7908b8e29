"""A server that leaves the cores to who shares them with it, at the price of answering a millisecond later.

Cassandra's workers that have nothing to do look again after some 10 µs, and go on so for a while after each
request (its SEPWorker). On a machine of its own that costs nobody anything. Beside others each waking takes
a core from who just ran: asked for 170 keys a second, it used a third of a core.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

TIMER_SLACK_NS: Final = 1_000_000
"""How much later than asked the kernel may wake a thread (proc(5), timerslack_ns); 50,000 unless told."""


def sparing(command: Sequence[str | Path]) -> list[str | Path]:
    """The command that runs this one with timers of a millisecond, in the class of programs that don't take
    a core from who runs (SCHED_BATCH). Both are inherited by its threads."""
    with_slack = f'echo {TIMER_SLACK_NS} > /proc/self/timerslack_ns && exec "$@"'
    return ["chrt", "--batch", "0", "sh", "-c", with_slack, "sh", *command]
