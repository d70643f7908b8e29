"""Tells of a move's steps on the terminal as it reaches them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import ceil
from typing import Final

import click

from lookup.leases import Lease
from lookup.mover import MoveListener
from lookup.moves import Move, Step
from proxy.cli.tables import span

_SAYS: Final = {
    Step.INTENDED: "noted",
    Step.FENCING: "writes of this user wait; asking every worker to acknowledge",
    Step.RETURNING: "given up; bringing the user back",
    Step.DONE: "done",
    Step.ABORTED: "aborted",
}
"""What is shown of the steps that are the same with hooks and without, as a move reaches them."""

_PATIENT_S: Final = 1.0
_TELL_EVERY_S: Final = 5.0


class Teller(MoveListener):
    """Prints each step with the time since the first, unless `quiet`.

    operation  of the move that is told of, "" before its first step
    """

    def __init__(self, quiet: bool) -> None:
        self.operation = ""
        self._quiet = quiet
        self._begun_s = time.monotonic()
        self._told_at_s = 0.0
        self._told_until_s = 0.0

    def stepped(self, move: Move) -> None:
        """The move reached a step."""
        if not self.operation:
            self._say(headline(move))
        self.operation = move.order.operation
        self._say(f"  {span(time.monotonic() - self._begun_s):>7}  {_says(move)}")

    def waiting(self, move: Move, leases: Sequence[Lease]) -> None:  # noqa: ARG002 -- the base's signature
        """Say who is waited for, when that takes longer than it should."""
        now_s = time.monotonic()
        if now_s - self._begun_s > _PATIENT_S and now_s - self._told_at_s > _TELL_EVERY_S:
            self._told_at_s = now_s
            self._say(f"           waiting for {', '.join(lease.worker for lease in leases)}")

    def outlasting(self, move: Move, until_s: float) -> None:  # noqa: ARG002 -- the base's signature
        """Say once until when it waits."""
        if until_s > self._told_until_s:
            self._told_until_s = until_s
            at = time.strftime("%H:%M:%S", time.localtime(ceil(until_s)))
            self._say(f"           writes confirmed by edges without leases may be under way until {at}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            click.echo(text)


def _says(move: Move) -> str:
    copy, verify = move.order.copy_hook, move.order.verify_hook
    if move.step is Step.COPYING:
        return f"acknowledged by every worker; {'copying' if copy else 'there is nothing to copy'}"
    if move.step is Step.VERIFYING:
        return f"{'copied; ' if copy else ''}{'verifying' if verify else 'no verify command was given'}"
    if move.step is Step.COMMITTING:
        if verify:
            before = "verified"
        elif copy:
            before = "copied; no verify command was given"
        else:
            before = "acknowledged by every worker; there is nothing to copy"
        return f"{before}; giving the user its new home"
    return _SAYS[move.step]


def headline(move: Move) -> str:
    """`operation 1a2b: user:42 from eu-1 to eu-2`."""
    order = move.order
    return f"operation {order.operation}: {order.key} from {move.source} to {order.target}"
