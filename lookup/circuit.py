"""Stops asking a tier that keeps failing, and finds out when it is back. Pure: time is an argument."""

from __future__ import annotations

from enum import Enum


class CircuitState(Enum):
    """CLOSED: asked. OPEN: skipped. PROBING: one question is on its way, the rest is skipped."""

    CLOSED = 0
    OPEN = 1
    PROBING = 2


class Circuit:
    """Opens after `failures_to_open` failures in a row; after `open_s` lets one question through."""

    def __init__(self, failures_to_open: int, open_s: float) -> None:
        self.state = CircuitState.CLOSED
        self._failures_to_open = failures_to_open
        self._open_s = open_s
        self._failures = 0
        self._probe_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether questions are skipped, but for one that finds out."""
        return self.state is not CircuitState.CLOSED

    def permits(self, now_s: float) -> bool:
        """Whether to ask now. A caller that is permitted must report how it went."""
        if self.state is CircuitState.CLOSED:
            return True
        if self.state is CircuitState.OPEN and now_s >= self._probe_at_s:
            self.state = CircuitState.PROBING
            return True
        return False

    def succeeded(self) -> None:
        """The tier answered, be it late from before the circuit opened: it is back."""
        self.state = CircuitState.CLOSED
        self._failures = 0

    def failed(self, now_s: float) -> None:
        """The tier failed or was late."""
        self._failures += 1
        if self.state is CircuitState.PROBING or self._failures >= self._failures_to_open:
            self.state = CircuitState.OPEN
            self._probe_at_s = now_s + self._open_s
