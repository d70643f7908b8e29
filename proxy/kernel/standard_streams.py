"""Standard input, output and error: open, whatever the program was started with."""

from __future__ import annotations

import os


def open_standard_streams() -> None:
    """Open /dev/null for each of the three that is closed: else the next file or socket would take its
    number, and a child process would get it as its input or output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(opened, True)
