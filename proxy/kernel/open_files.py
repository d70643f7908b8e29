"""How many files and connections this process may have open, and which failures mean that it has too many."""

from __future__ import annotations

import errno
import resource
from typing import Final

OUT_OF_RESOURCES: Final = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
)
"""What a connection fails with when this machine has no room for it, whoever is at the other end."""

_OWN_FILES: Final = 128
"""Room for store, shared cache, logs, listeners and the interpreter's own."""


def raise_limit() -> int:
    """Take all that the system grants without asking (RLIMIT_NOFILE's hard limit); returns what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # e.g. "unlimited" where the kernel's own maximum is lower
            return soft
    return hard


def room_for_clients(open_files: int) -> int:
    """How many clients may connect at most so that, whatever they do, cells can still be reached.

    Every second one of them may have a request under way, which takes a connection to a cell.
    """
    return max(1, (open_files - _OWN_FILES) * 2 // 3)
