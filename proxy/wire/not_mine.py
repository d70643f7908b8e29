"""What a cell says with X-Home-Cell-Not-Mine: that it is not the user's home, and what it knows of it."""

from __future__ import annotations

import re
from typing import Final

FIELD: Final = b"x-home-cell-not-mine"

_VALUE: Final = re.compile(
    rb"(0|[1-9][0-9]{0,17})(?:[ \t]*;[ \t]*cell=([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?))?"
)


class NotMine:
    """The cell's word. It is told to operators and counted; no request goes anywhere by it.

    epoch   the highest that the cell knows of this user, 0 if none
    cell    where it thinks that home is, "" if it doesn't say
    """

    __slots__ = ("cell", "epoch")

    def __init__(self, epoch: int, cell: str) -> None:
        self.epoch = epoch
        self.cell = cell


def parse_not_mine(values: list[bytes]) -> NotMine | None:
    """Read the field's values, `<epoch>[; cell=<name>]`; None if there is not exactly one well-formed."""
    match = _VALUE.fullmatch(values[0].strip(b" \t")) if len(values) == 1 else None
    if match is None:
        return None
    epoch, cell = match.groups()
    return NotMine(int(epoch), (cell or b"").decode())
