"""One module per program that the bench starts; each writes its config and says what it does and omits."""

from __future__ import annotations

from dataclasses import dataclass


class MissingError(Exception):
    """A program is not installed; the message is the command that installs it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started proxy: where it listens on loopback, and the process whose tree is measured."""

    port: int
    root_pid: int
