"""What the lookup does under load, row by row, beside its targets: tables, JSON and a chart."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console

from bench.lookup import kills
from bench.lookup.rows import ROWS, Measured, draw, keep, show
from bench.lookup.stage import Asked, Stage
from bench.lookup.surroundings import Surroundings, look_around
from bench.peers.servers import MissingError
from bench.servers.process import ServerError

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
PIPED_WIDTH: Final = 140

_KILLS: Final = "kills"
_QUIET_LOAD_AVERAGE: Final = 0.7
_EXAMPLES: Final = """\
python -m bench.lookup                 every row but `kills`, some minutes
python -m bench.lookup redis feed      these rows
python -m bench.lookup kills           Redis and Cassandra are killed and frozen under load (minutes, 4 GB)

The rows on Redis and Cassandra need redis-server and Java 17, `edge` also nginx and wrk; what is started
listens on loopback and is ended. There are:
"""


def main() -> None:
    """Measure, print, keep."""
    given = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)  # so that the servers are ended
    surroundings = look_around()
    if given.rows == [_KILLS]:
        kills.main(given.out, {name: str(value) for name, value in asdict(surroundings).items()})
        return
    logging.getLogger("lookup").setLevel(logging.ERROR)  # that a feed begins is no news here
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    _introduce(console, surroundings)
    chosen = [row for row in ROWS if not given.rows or row.name in given.rows]
    asked = Asked(given.entries, given.users, given.seconds, given.processes)
    measured: list[Measured] = []
    with console.status("starting") as status, Stage(asked, status.update) as stage:
        for row in chosen:
            status.update(row.title)
            try:
                found = Measured(row, row.measure(stage))
            except (MissingError, ServerError) as error:
                console.print(f"[yellow]{row.name} was left out; it needs:[/] {error}", highlight=False)
                continue
            measured.append(found)
            show(console, found)
            path = keep(measured, surroundings, given.out)
    if not measured:
        return
    console.print(f"kept in {path.name}", highlight=False)
    try:
        draw(measured, surroundings, path.with_suffix(".svg"))
    except MissingError as error:
        console.print(f"[yellow]No chart was drawn; it needs:[/] {error}", highlight=False)


def _arguments() -> argparse.Namespace:
    listed = "".join(f"  {row.name:9} {row.title}\n" for row in ROWS)
    parser = argparse.ArgumentParser(
        prog="python -m bench.lookup",
        description=__doc__,
        epilog=_EXAMPLES + listed,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(row.name for row in ROWS), _KILLS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(names)}")
    usual = Asked()
    parser.add_argument("--entries", type=int, default=usual.entries, help="size: homes to remember")
    parser.add_argument("--users", type=int, default=usual.users, help="zipf: users to draw from")
    parser.add_argument("--processes", type=int, default=usual.processes, help="zipf: processes that ask")
    parser.add_argument("--seconds", type=int, default=usual.seconds, help="length of a run at a fixed rate")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON and the chart")
    given = parser.parse_args()
    unknown = [name for name in given.rows if name not in names]
    if unknown or (_KILLS in given.rows and given.rows != [_KILLS]):
        some = f"name some of {', '.join(names[:-1])}, or kills alone"
        parser.error(f"ROWS: no rows {', '.join(given.rows)}: {some}")
    return given


def _introduce(console: Console, surroundings: Surroundings) -> None:
    console.print(str(surroundings), highlight=False)
    if not surroundings.is_optimised:
        console.print("[yellow]This Python is no optimised (PGO) build: don't quote the figures.[/]")
    if surroundings.load_average > _QUIET_LOAD_AVERAGE:
        console.print("[yellow]Other programs were busy: latencies say little. Repeat on a quiet machine.[/]")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
