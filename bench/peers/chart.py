"""Charts of bars: the CPU time of a request row by row, or any figures beside their limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.arithmetic import spread
from bench.peers.servers import MissingError
from bench.peers.table import Measured

OURS: Final = "#1f6feb"
THEIRS: Final = "#9aa4af"
WRONG: Final = "#c4402f"
BAR_INCHES: Final = 0.42


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure: how far it reaches, what is written beside it, whether it is as wanted."""

    label: str
    length: float
    text: str
    is_good: bool


def draw_bars(bars: Sequence[Bar], axis: str, subtitle: str, path: Path, limit: float) -> None:
    """Write an SVG with a logarithmic axis and a line at `limit`; raises MissingError without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingError("pip install matplotlib") from error
    figure = Figure(figsize=(11, 1.4 + BAR_INCHES * len(bars)), layout="constrained")
    axes = figure.subplots()
    lowest = min(0.1, *(bar.length / 2 for bar in bars))
    drawn = axes.barh(
        [bar.label for bar in bars],
        [bar.length - lowest for bar in bars],
        left=lowest,
        color=[OURS if bar.is_good else WRONG for bar in bars],
    )
    axes.bar_label(drawn, labels=[bar.text for bar in bars], padding=3, fontsize=8)
    axes.axvline(limit, color="#555555", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.invert_yaxis()
    axes.set_xlabel(axis)
    axes.set_title(subtitle, fontsize=7, loc="left", wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def draw(table: Sequence[Measured], subtitle: str, path: Path) -> None:
    """Write an SVG; raises MissingError without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingError("pip install matplotlib") from error
    ordered = sorted(table, key=lambda measured: spread(measured.cpu_us()).median, reverse=True)
    spreads = [spread(measured.cpu_us()) for measured in ordered]
    medians = [found.median for found in spreads]
    figure = Figure(figsize=(9, 1.4 + BAR_INCHES * len(ordered)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(
        [measured.row.label for measured in ordered],
        medians,
        xerr=(
            [found.median - found.lower for found in spreads],
            [found.upper - found.median for found in spreads],
        ),
        color=[THEIRS if measured.row.build is None else OURS for measured in ordered],
        ecolor="#555555",
    )
    axes.bar_label(bars, labels=[f"{value:.0f}" for value in medians], label_type="center", color="white")
    axes.set_xlabel("CPU time of a request, µs (median of the rounds; lines: the middle half of them)")
    axes.set_title(subtitle, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    with rc_context({"svg.fonttype": "none"}):  # text as text: a tenth of the size, and searchable
        figure.savefig(path, metadata={"Date": None})
