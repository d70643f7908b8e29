"""Rows of text: a ruled table with colour on a terminal, else plain columns that grep and cut can read."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Final

import click

from lookup.printable import printable
from proxy.model import Endpoint

_COLOURS: Final = {"serving": "green", "down": "bold red"}


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The rows on standard output; no cell is cut. What a terminal would obey is not repeated: some texts are
    of others."""
    rows = [[printable(text) for text in row] for row in rows]
    if sys.stdout.isatty():
        _show_ruled(heads, rows)
        return
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _show_ruled(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head.capitalize(), overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=_COLOURS.get(text, "")) for text in row))
    Console().print(table)


def address(endpoint: Endpoint) -> str:
    """`host:port`, with brackets around IPv6."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def moment(time_s: float) -> str:
    """Unix seconds as the local time of day that people compare with their clocks."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(time_s))
    except (OverflowError, ValueError, OSError):  # no year that anybody counts
        return f"{time_s:g} s since 1970"


def span(duration_s: float) -> str:
    """A duration in the one or two units that matter: `31 ms`, `45 s`, `2 h 5 min`, `3 d`."""
    if duration_s < 1:
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 60:
        return f"{duration_s:.0f} s"
    minutes = int(duration_s // 60)
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
