"""The command line: reads what is asked for, shows what was found, keeps it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click
from rich.console import Console

from bench.peers import chart, report, results
from bench.peers.bodies import BrokenTransferError
from bench.peers.check import WrongPeerError
from bench.peers.cores import pick_here
from bench.peers.launch import LaunchError
from bench.peers.machine import ROOT
from bench.peers.proc import ProcessGoneError
from bench.peers.pythons import PythonBuild, distinct, inspect, inspect_compiled
from bench.peers.rows import catalogue, choose
from bench.peers.servers import MissingError
from bench.peers.session import QUICK_DURATION_S, Plan, run
from bench.peers.tail import RATE_PER_S, BrokenTailError
from bench.peers.wrk import WrongRepliesError

FAILURES: Final = (
    BrokenTailError,
    BrokenTransferError,
    LaunchError,
    ProcessGoneError,
    WrongPeerError,
    WrongRepliesError,
)
COMPILED_TREE: Final = ROOT / "build" / "compiled"
QUIET_LOAD_AVERAGE: Final = 0.7
PIPED_WIDTH: Final = 130
USUAL_SECTIONS: Final = frozenset({"table", "tail"})


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", default=9, show_default=True, help="Rounds; the median of their ratios is quoted.")
@click.option("--seconds", default=1, show_default=True, help="Length of each measured run.")
@click.option("--quick", is_flag=True, help="One round of 2 s: shows that it works; not to be quoted.")
@click.option("--only", multiple=True, metavar="WORD", help="Only rows whose key begins so; may be repeated.")
@click.option(
    "--python",
    "pythons",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Interpreter that Home Cell is installed in; repeat it to compare. Default: the one running this.",
)
@click.option("--compiled", is_flag=True, help="Measure what `make compiled` made, too, side by side.")
@click.option("--table", is_flag=True, help="Section: CPU time per request (on by default).")
@click.option("--tail", is_flag=True, help="Section: latency at a fixed rate (on by default).")
@click.option("--bodies", is_flag=True, help="Section: 1 MiB bodies beside nginx.")
@click.option("--memory", is_flag=True, help="Section: resident memory during transfers of 1 GiB.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "bench" / "results",
    help="Folder for the JSON and the chart. Default: bench/results.",
)
def main(
    rounds: int,
    seconds: int,
    quick: bool,
    only: tuple[str, ...],
    pythons: tuple[Path, ...],
    compiled: bool,
    out: Path,
    **sections: bool,
) -> None:
    """Home Cell beside nginx, HAProxy and Envoy, by CPU time per request, on varied traffic.

    \b
    python -m bench.peers
    python -m bench.peers --quick --only homecell --only haproxy-hs256
    python -m bench.peers --bodies --memory
    python -m bench.peers --python one/bin/python --python other/bin/python
    """
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    signal.signal(signal.SIGTERM, _interrupt)
    cores = pick_here()
    if cores is None:
        raise click.ClickException("two cores are needed: one for the proxy, one for origin and load")
    wanted = frozenset(name for name, on in sections.items() if on) or USUAL_SECTIONS
    plan = Plan(1, QUICK_DURATION_S, True, wanted) if quick else Plan(rounds, seconds, False, wanted)
    missing: dict[str, str] = {}
    builds = _builds(pythons or (Path(sys.executable),), compiled, missing)
    try:
        rows = choose(catalogue(builds), only)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        with console.status("starting") as status:
            found = run(plan, cores, rows, builds, missing, status.update)
    except MissingError as error:
        raise click.ClickException(f"the bench itself needs: {error}") from error
    except FAILURES as error:
        raise click.ClickException(str(error)) from error
    _show(console, found, builds)
    _keep(console, found, out)


def _builds(pythons: Sequence[Path], compiled: bool, missing: dict[str, str]) -> list[PythonBuild]:
    builds = []
    for executable in (python.absolute() for python in pythons):
        try:
            builds.append(inspect(executable, None))
            if compiled:
                builds.append(inspect_compiled(executable, COMPILED_TREE))
        except MissingError as error:
            missing["homecell"] = str(error)
    return distinct(builds)


def _show(console: Console, found: results.Results, builds: Sequence[PythonBuild]) -> None:
    around = found.surroundings
    versions = ", ".join(f"{name} {version}" for name, version in around.programs.items())
    console.print(
        f"{around.processor}, {around.cores} cores, Linux {around.kernel}; {versions}; {around.commit}"
    )
    if found.table:
        report.show_table(console, found.table)
    if found.ratios:
        report.show_ratios(console, found.ratios)
    if found.tails:
        report.show_tails(console, found.tails, RATE_PER_S)
    if found.bodies:
        report.show_bodies(console, found.bodies)
    if found.memory:
        report.show_memory(console, found.memory)
    for row, mend in found.missing.items():
        console.print(f"[yellow]{row} was left out; it needs:[/] {mend}", highlight=False)
    for build in builds:
        if not build.optimised:
            console.print(
                f"[yellow]{build.label} costs about 2 µs more a request than a build with "
                "--enable-optimizations (as Debian's /usr/bin/python3 is): don't quote it.[/]"
            )
    if around.load_average > QUIET_LOAD_AVERAGE:
        console.print(
            f"[yellow]Other programs were busy (load average {around.load_average:.1f} at the start): ratios "
            "wander, and latencies say nothing. Repeat on a quiet machine.[/]"
        )
    if found.quick:
        console.print("[yellow]One short round: these figures are not to be quoted.[/]")


def _keep(console: Console, found: results.Results, out: Path) -> None:
    path = results.write(found, out)
    console.print(f"kept in {path}", highlight=False)
    if found.table:
        around = found.surroundings
        subtitle = f"{around.processor}, {around.cores} cores; {around.date[:10]}, {around.commit}"
        try:
            chart.draw(found.table, subtitle, path.with_suffix(".svg"))
        except MissingError as error:
            console.print(f"[yellow]No chart was drawn; it needs:[/] {error}", highlight=False)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
