"""How often a Redis that can't be reached is dialled again. Pure: time and randomness are arguments."""

from __future__ import annotations


class DialPacer:
    """Of one server: a growing pause after each failure; `burst` dials at once, then `per_second`."""

    __slots__ = (
        "_allowance",
        "_burst",
        "_counted_at_s",
        "_failures",
        "_first_pause_s",
        "_longest_pause_s",
        "_not_before_s",
        "_per_second",
    )

    def __init__(
        self,
        burst: int,
        first_pause_s: float = 0.05,
        longest_pause_s: float = 2.0,
        per_second: float = 10.0,
    ) -> None:
        self._burst = burst
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._per_second = per_second
        self._failures = 0
        self._not_before_s = 0.0
        self._allowance = float(burst)
        self._counted_at_s = 0.0

    def permits(self, now_s: float) -> bool:
        """Whether to dial now; a permitted dial is counted."""
        earned = (now_s - self._counted_at_s) * self._per_second
        self._allowance = min(self._burst, self._allowance + earned)
        self._counted_at_s = now_s
        if now_s < self._not_before_s or self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def succeeded(self) -> None:
        """The server answered the greeting."""
        self._failures = 0
        self._not_before_s = 0.0

    def failed(self, now_s: float, random: float) -> None:
        """The dial failed; `random` (0 to 1) spreads the next one over half of the pause."""
        pause_s = min(self._longest_pause_s, self._first_pause_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, 30)
        self._not_before_s = now_s + pause_s * (0.5 + random / 2)
