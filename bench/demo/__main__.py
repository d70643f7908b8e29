"""`make demo`: starts everything, shows it or checks it, and ends everything."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench.demo.board import Board, Watch
from bench.demo.guide import Guide, command_line
from bench.demo.homes import Homes, asking_the_store
from bench.demo.layout import DEFAULT_PORT, HIGHEST_PORT, HOMECELL, Layout
from bench.demo.machine import Crowd
from bench.demo.outages import ServerOutages
from bench.demo.processes import DemoError
from bench.demo.rehearsal import Finding, Rehearsal
from bench.demo.stage import Stage, running_demo
from bench.demo.tally import Tally
from bench.demo.traffic import Trickle

_YOUR_CELLS: Final = 'to put it before cells of your own: README.md, "In front of your own cells"'


@click.command()
@click.option(
    "--check-for",
    "check_s",
    envvar="DEMO_SECONDS",
    show_envvar=True,
    type=click.FloatRange(min=0),
    help="Check it all for so many seconds and end.",
)
@click.option(
    "--port",
    envvar="DEMO_PORT",
    show_envvar=True,
    type=click.IntRange(1, HIGHEST_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port of the EU edge; all others move with it.",
)
@click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), default=Path(".demo"), show_default=True
)
@click.option(
    "--store",
    envvar="STORE",
    show_envvar=True,
    type=click.Choice(["sqlite", "cassandra"]),
    default="sqlite",
    show_default=True,
    help="Where homes are: in a file, or in Cassandra with Redis before it, which the demo starts.",
)
@click.option("--no-traffic", is_flag=True, help="Send nothing: for a load test that brings its own traffic.")
def main(check_s: float | None, port: int, directory: Path, store: str, no_traffic: bool) -> None:
    """Two edges, four sample cells, 100,000 users and traffic. Ctrl-C ends it."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    layout = Layout(directory.resolve(), port)
    try:
        sys.exit(asyncio.run(_run(layout, console, check_s, store == "cassandra", no_traffic)))
    except DemoError as error:
        console.print(f"The demo can't run: {error}", style="bold red")
        sys.exit(1)


async def _run(
    layout: Layout, console: Console, check_s: float | None, on_cassandra: bool, no_traffic: bool
) -> int:
    """The exit code: 0 when all was right, or when a signal ended the demo and everything ended cleanly."""
    _end_on_signals()
    all_right = True
    stage: Stage | None = None
    try:
        demo = running_demo(layout, console.print, on_cassandra=on_cassandra, may_kill=check_s is not None)
        async with demo as stage:
            if check_s is not None:
                all_right = await _check(stage, console, check_s)
            else:
                await _show(stage, console, no_traffic)
    except asyncio.CancelledError:
        console.print(f"ended; {_YOUR_CELLS}")
    for complaint in stage.complaints if stage else ():
        console.print(complaint, style="bold red")
        all_right = False
    return 0 if all_right else 1


def _end_on_signals() -> None:
    """The first signal cancels the demo; further ones don't disturb it while it ends everything."""
    loop, demo = asyncio.get_running_loop(), asyncio.current_task()
    assert demo is not None
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, _cancel_once, loop, demo)


def _cancel_once(loop: asyncio.AbstractEventLoop, demo: asyncio.Task[int]) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, lambda: None)
    demo.cancel()


async def _show(stage: Stage, console: Console, no_traffic: bool) -> None:
    guide = Guide(stage.layout, stage.cells, stage.tokens)
    guide.write_tokens()
    if no_traffic:
        console.print("ready, without traffic; Ctrl-C ends everything")
        await stage.until_an_edge_ends()
        return
    _print_guide(guide, console)
    console.print("Ctrl-C ends everything")
    tally = Tally([cell.name for cell in stage.cells])
    flags, not_mine = Watch(stage.flags), Watch(stage.wrong_in_cells)
    async with asking_the_store(stage.settings) as ask:
        await _until_one_ends(
            Trickle(stage.layout, Homes(stage.cells, ask), stage.tokens, tally).run(),
            flags.follow(),
            not_mine.follow(),
            Board(console, tally, flags.current, not_mine.current, guide.hint(HOMECELL)).run(),
            stage.until_an_edge_ends(),
        )


async def _check(stage: Stage, console: Console, lasting_s: float) -> bool:
    guide = Guide(stage.layout, stage.cells, stage.tokens)
    guide.write_tokens()
    tally = Tally([cell.name for cell in stage.cells])
    crowd = Crowd()
    rehearsal = Rehearsal(stage, guide, tally, lambda finding: _print_finding(finding, console), crowd)
    own = None if stage.servers is None else stage.servers.own
    outages = None if own is None else ServerOutages(stage, own, rehearsal, tally)
    flags, not_mine = Watch(stage.flags), Watch(stage.wrong_in_cells)
    await _until_one_ends(
        Trickle(stage.layout, Homes(stage.cells, None), stage.tokens, tally, lambda: crowd.is_busy).run(),
        crowd.follow(),
        flags.follow(),
        not_mine.follow(),
        rehearsal.perform(lasting_s, outages),
        stage.until_an_edge_ends(),
    )
    board = Board(console, tally, flags.current, not_mine.current)
    board.print_legend()
    board.print_once()
    if instead := tally.instead():
        away = "" if outages is None else "; without Cassandra, writes and unknown users get 503"
        console.print(f"instead of the cells' replies: {instead}{away}")
    console.print(rehearsal.verdict(), style="bold")
    if rehearsal.all_right:
        console.print(f"`make demo` goes on until Ctrl-C, with lines to try; {_YOUR_CELLS}")
    return rehearsal.all_right


async def _until_one_ends(*coroutines: Coroutine[None, None, None]) -> None:
    """Run them all until one returns or raises, then cancel the others; raises what that one raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _print_guide(guide: Guide, console: Console) -> None:
    console.print("\nTry, in another terminal, from this directory:", style="bold")
    for step in guide.steps():
        console.print(f"\n# {step.shows}", style="green")
        console.print(command_line(step, guide.jar, HOMECELL))
    for shows, line in guide.more(HOMECELL):
        console.print(f"\n# {shows}", style="green")
        console.print(line)
    console.print()


def _print_finding(finding: Finding, console: Console) -> None:
    if finding.right:
        console.print(f"✓ {finding.what}: {finding.actual}")
    else:
        console.print(
            f"✗ {finding.what}: expected {finding.expected}, got {finding.actual}", style="bold red"
        )


if __name__ == "__main__":
    main()
