"""What the bench shows on the terminal: one table per section. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.peers.arithmetic import ratios, spread
from bench.peers.bodies import NGINX, Bodies, Memory
from bench.peers.ratio import Ratio
from bench.peers.table import Measured
from bench.peers.tail import Tail


def show_table(console: Console, table: Sequence[Measured]) -> None:
    """CPU per request of every row."""
    shown = Table("proxy, one worker", "CPU µs a request", "middle half", "replies/s", "core in use")
    for measured in table:
        cpu_us = spread(measured.cpu_us())
        shown.add_row(
            measured.row.label,
            f"{cpu_us.median:.1f}",
            f"{cpu_us.lower:.1f} – {cpu_us.upper:.1f}",
            f"{median(sample.replies_per_s for sample in measured.samples):,.0f}",
            f"{median(sample.busy for sample in measured.samples):.0%}",
        )
    console.print(shown)
    for note in dict.fromkeys(
        f"{measured.row.server.split('-')[0]}: {measured.row.note}" for measured in table
    ):
        console.print(f"  {note}", highlight=False)
    for measured in table:
        wrong = sum(sample.wrong for sample in measured.samples)
        if wrong:
            console.print(f"[yellow]  {measured.row.key}: {wrong} wrong replies[/]", highlight=False)


def show_ratios(console: Console, found: Sequence[Ratio]) -> None:
    """Home Cell divided by each peer, median of the rounds."""
    shown = Table("Home Cell", "peer", "ratio", "middle half", "goal")
    for ratio in found:
        reached = "" if ratio.goal is None else "reached" if ratio.spread.median <= ratio.goal else "missed"
        shown.add_row(
            ratio.ours,
            ratio.theirs,
            f"{ratio.spread.median:.2f} ×",
            f"{ratio.spread.lower:.2f} – {ratio.spread.upper:.2f}",
            "" if ratio.goal is None else f"≤ {ratio.goal} × {reached}",
        )
    console.print(shown)


def show_tails(console: Console, tails: Sequence[Tail], rate_per_s: int) -> None:
    """Latencies at the fixed rate, medians of the rounds; each round's p99 beside them."""
    shown = Table(
        f"{rate_per_s:,} requests/s, open loop; µs",
        "p50",
        "p99",
        "p99.9",
        "p99 by round",
        "generator late p99",
    )
    for tail in tails:
        shown.add_row(
            tail.label,
            *(
                f"{median(values):,.0f}"
                for values in (
                    [found.p50_us for found in tail.rounds],
                    [found.p99_us for found in tail.rounds],
                    [found.p999_us for found in tail.rounds],
                )
            ),
            " ".join(f"{found.p99_us:,.0f}" for found in tail.rounds),
            f"{median(found.lag_p99_us for found in tail.rounds):,.0f}",
        )
    console.print(shown)


def show_bodies(console: Console, found: Sequence[Bodies]) -> None:
    """Bytes per CPU second and the ratio to nginx in the same round."""
    shown = Table("1 MiB bodies", "direction", "MB per CPU second", "of nginx", "middle half")
    theirs = {bodies.direction: bodies.bytes_per_cpu_s for bodies in found if bodies.key == NGINX}
    for bodies in found:
        share = spread(ratios(bodies.bytes_per_cpu_s, theirs[bodies.direction]))
        shown.add_row(
            bodies.key,
            bodies.direction,
            f"{median(bodies.bytes_per_cpu_s) / 1e6:,.0f}",
            f"{share.median:.2f} ×",
            f"{share.lower:.2f} – {share.upper:.2f}",
        )
    console.print(shown)


def show_memory(console: Console, found: Sequence[Memory]) -> None:
    """Resident memory of the worker before, at its highest, and after each transfer."""
    shown = Table("1 GiB by curl", "direction", "before MiB", "highest MiB", "after MiB", "seconds")
    for memory in found:
        shown.add_row(
            memory.key,
            memory.direction,
            f"{memory.before_kib / 1024:.1f}",
            f"{memory.peak_kib / 1024:.1f}",
            f"{memory.after_kib / 1024:.1f}",
            f"{memory.duration_s:.1f}",
        )
    console.print(shown)
