"""What a worker writes to standard error, as messages with their level. Its supervisor adds time and slot."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

FORMAT: Final = "%(levelname)s %(message)s"
"""A worker's. Without the time, so that what many workers fail with alike is alike."""

_LEVELS: Final = {
    logging.getLevelName(level): level
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
}


def whole_lines(written: bytes) -> tuple[bytes, bytes]:
    """What was written up to its last line end, and the beginning of a line after that."""
    end = written.rfind(b"\n") + 1
    return written[:end], written[end:]


def messages(written: bytes) -> Sequence[tuple[int, str]]:
    """Level and text of each line. One without a level goes on with the line before, as tracebacks do; what
    is not from the log at all, such as an interpreter's last words, is an error."""
    found: list[tuple[int, str]] = []
    level = logging.ERROR
    for line in written.decode(errors="replace").splitlines():
        word, _, text = line.partition(" ")
        if word in _LEVELS:
            level = _LEVELS[word]
        else:
            text = line
        found.append((level, text))
    return found
