"""Durations as people type them on a command line: 90, 30s, 15m, 2h, 1d."""

from __future__ import annotations

import re
from typing import Any, Final

import click

_FORM: Final = re.compile(r"([0-9]{1,9})(s|m|h|d|)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType[int, str]):
    """A whole number of seconds, at least 1."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _FORM.fullmatch(str(value))
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not 1 <= seconds <= 10 * 365 * 86_400:
            self.fail(f"{value!r} is no duration; write e.g. 90s, 15m, 2h or 1d", param, ctx)
        return seconds
