"""How a move of many users, or a dry run of one, ended: said, and told by the exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import click

from lookup.move_fates import Fate, Outcome, Stop
from lookup.move_preview import Preview
from proxy.cli.answers import NO, OK, UnreachableError, end, say_json
from proxy.cli.bulk_report import Tally, show_targets, users
from proxy.cli.tables import span

_WHY: Final = {
    Stop.ASKED: "stopped as asked",
    Stop.FAILURES: "stopped, because too many moves were given up (--max-failures)",
    Stop.STORE: "stopped, because the store does not answer",
}


@dataclass(frozen=True, slots=True)
class Foresight:
    """A dry run's answer."""

    operation: str
    preview: Preview

    @property
    def refused(self) -> int:
        """Users who would not be moved although they should."""
        return sum(refusals.users for refusals in self.preview.refused.values())

    def show(self) -> None:
        """On the terminal."""
        show_targets("would be moved", self.preview.to)
        if self.preview.there:
            click.echo(f"{users(self.preview.there)} would have nothing to do: at home there already")
        if self.preview.refused:
            click.echo(f"{users(self.refused)} would not be moved:")
        for reason, refusals in self.preview.refused.items():
            rest = ", ..." if refusals.users > len(refusals.examples) else ""
            click.echo(f"  {refusals.users:,} {reason}: {', '.join(refusals.examples)}{rest}")

    def document(self) -> dict[str, object]:
        """For --json."""
        return {
            "operation": self.operation,
            "dry_run": True,
            "to": dict(self.preview.to),
            "there": self.preview.there,
            "refused": {reason: asdict(refusals) for reason, refusals in self.preview.refused.items()},
        }

    def end(self) -> None:
        """End the command."""
        end(NO if self.refused else OK)


@dataclass(frozen=True, slots=True)
class Ended:
    """emptied   the cell that was to be left, "" when there was none
    left       users who are still there, when all should have gone
    left_open  moves that nobody carries on: their users can't write
    """

    operation: str
    tally: Tally
    outcome: Outcome
    took_s: float
    emptied: str = ""
    left: int = 0
    left_open: int = 0

    @property
    def is_well(self) -> bool:
        """Whether everybody is where they should be."""
        return self.outcome.stop is Stop.NOT and not self.tally.failures and not self.left

    def show(self) -> None:
        """On the terminal."""
        self.tally.show()
        moved = self.tally.fates[Fate.MOVED]
        if moved:
            click.echo(f"took {span(self.took_s)}, {moved / self.took_s:.0f} moves/s")
        if self.left:
            click.echo(f"{users(self.left)} still in {self.emptied}")
        if self.left_open:
            click.echo(f"{users(self.left_open)} left between cells: their writes wait")
        if self.outcome.stop is not Stop.NOT:
            click.echo(f"{_WHY[self.outcome.stop]}; {self.how_to_go_on()}")

    def how_to_go_on(self) -> str:
        """For whoever was interrupted."""
        return f"the same command with --operation {self.operation} goes on"

    def document(self) -> dict[str, object]:
        """For --json."""
        return {
            "operation": self.operation,
            "dry_run": False,
            **self.tally.document(),
            "stopped": None if self.outcome.stop is Stop.NOT else self.outcome.stop.value,
            "still_there": self.left,
            "left_open": self.left_open,
            "took_s": round(self.took_s, 3),
        }

    def end(self) -> None:
        """End the command."""
        failure = self.outcome.failure
        if failure is not None:
            raise UnreachableError(str(failure), self.how_to_go_on()) from failure
        end(OK if self.is_well else NO)


def report(done: Ended | Foresight, as_json: bool) -> None:
    """Say it, and end the command."""
    if as_json:
        say_json(done.document())
    else:
        done.show()
    done.end()
