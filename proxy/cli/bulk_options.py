"""What one can choose of a move of many users, alike for a list, a query and a whole cell."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli.answers import UsageMistakeError
from proxy.cli.completion import cell_names
from proxy.cli.move_options import MoveChoices

_RATE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(?:/s)?")
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%?")
_OPERATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}")

_PARALLEL: Final = 16
_PARALLEL_WITHOUT_HOOKS: Final = 128


class Rate(click.ParamType[float, str]):
    """How many a second, as `20/s`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _RATE.fullmatch(str(value))
        per_s = float(found[1]) if found else 0.0
        if per_s <= 0:
            self.fail(f"{value!r} is no rate; write e.g. 20/s or 0.5/s", param, ctx)
        return per_s


class Percentage(click.ParamType[float, str]):
    """A share, as `10%`; gives 0 to 1."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _PERCENT.fullmatch(str(value))
        share = float(found[1]) / 100 if found else 2.0
        if share > 1:
            self.fail(f"{value!r} is no percentage; write e.g. 10%", param, ctx)
        return share


@dataclass(frozen=True, slots=True)
class BulkChoices:
    """The options of bulk_options. `operation` is "" when the command is to find a name for it."""

    targets: tuple[str, ...]
    operation: str
    per_s: float | None
    parallel: int | None
    share: float
    failures_file: Path | None
    moved_file: Path | None
    dry_run: bool

    def fit(self, choices: MoveChoices) -> int:
        """How many moves may be under way at once: hooks are work for somebody, fencing is none."""
        without_hooks = not choices.copy_hook and not choices.verify_hook
        return self.parallel or (_PARALLEL_WITHOUT_HOOKS if without_hooks else _PARALLEL)


def bulk_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command gets them as `bulk`, a BulkChoices."""

    @wraps(command)
    def run(
        targets: str,
        operation: str,
        per_s: float | None,
        parallel: int | None,
        share: float,
        failures_file: Path | None,
        moved_file: Path | None,
        dry_run: bool,
        **rest: object,
    ) -> None:
        if operation and not _OPERATION.fullmatch(operation):
            mend = "use letters, digits and . _ : @ -, at most 100 of them"
            raise UsageMistakeError(f"--operation {operation!r} is no name for an operation", mend)
        names = tuple(name.strip() for name in targets.split(",") if name.strip())
        files = (failures_file, moved_file)
        command(bulk=BulkChoices(names, operation, per_s, parallel, share, *files, dry_run), **rest)

    optional: Callable[..., None] = run
    for option in _options():
        optional = option(optional)
    return optional


def _options() -> tuple[Callable[[Callable[..., None]], Callable[..., None]], ...]:
    """Last first, as click has them."""
    return (
        click.option("--dry-run", is_flag=True, help="Say what would be moved where; change nothing."),
        click.option(
            "--moved",
            "moved_file",
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            help="Add those who were moved here, each with the cell that it left: "
            "`homecell moves bulk` with this list brings them back.",
        ),
        click.option(
            "--failures",
            "failures_file",
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            help="Write those who were not moved here, as a list for `homecell moves bulk`.",
        ),
        click.option(
            "--max-failures",
            "share",
            type=Percentage(),
            default="10%",
            show_default=True,
            help="Begin no more when more than this share of the moves, and more than 10, was given up.",
        ),
        click.option(
            "--parallel",
            type=click.IntRange(1, 1000),
            help=f"Moves under way at once.  [default: {_PARALLEL}; "
            f"{_PARALLEL_WITHOUT_HOOKS} without commands]",
        ),
        click.option("--rate", "per_s", type=Rate(), help="Begin at most so many moves a second: 20/s."),
        click.option("--operation", default="", help="Name of the whole: the same one goes on where it was."),
        click.option(
            "--to",
            "targets",
            default="",
            metavar="CELL[,CELL]",
            shell_complete=cell_names,
            help="Choose among these.  [default: all serving cells under the user's own law]",
        ),
    )
