"""For people who read a command's JSON: beside each moment in Unix seconds the same moment as a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_MOMENT: Final = re.compile(r"(?:.+_at|.+_until|since)_s")
"""Names of members that hold a moment, not a duration; without `_s` they are the dates' names."""


def dated(document: object) -> object:
    """The document; in it a `begun_at`, "2026-11-22T03:30:17Z", after each `begun_at_s`, or null."""
    if isinstance(document, list | tuple):
        return [dated(part) for part in document]
    if not isinstance(document, dict):
        return document
    told: dict[object, object] = {}
    for name, value in document.items():
        told[name] = dated(value)
        if _MOMENT.fullmatch(str(name)):
            told[str(name).removesuffix("_s")] = _date(value)
    return told


def _date(time_s: object) -> str | None:
    if not isinstance(time_s, int | float) or not time_s:
        return None
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # no year that anybody counts
        return None
