"""The chart: one bar per row, the CPU time of a request, with the spread of the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.peers.arithmetic import spread
from bench.peers.servers import MissingError
from bench.peers.table import Measured

OURS: Final = "#1f6feb"
THEIRS: Final = "#9aa4af"
BAR_INCHES: Final = 0.42


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
            [found.median - found.lowest for found in spreads],
            [found.highest - found.median for found in spreads],
        ),
        color=[THEIRS if measured.row.build is None else OURS for measured in ordered],
        ecolor="#555555",
    )
    axes.bar_label(bars, labels=[f"{value:.0f}" for value in medians], label_type="center", color="white")
    axes.set_xlabel("CPU time of a request, µs (median of the rounds; lines: lowest and highest)")
    axes.set_title(subtitle, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    with rc_context({"svg.fonttype": "none"}):  # text as text: a tenth of the size, and searchable
        figure.savefig(path, metadata={"Date": None})
