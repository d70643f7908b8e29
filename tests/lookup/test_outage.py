"""What fails again and again is told of when it begins, then once a minute, and when it works again."""

from __future__ import annotations

from lookup.outage import AGAIN_S, Outage


class Watched:
    """An outage by a stopwatch that stands until it is moved on."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.outage = Outage(lambda: self.now_s)

    def failures_told(self, seconds: int) -> int:
        """Of ten a second, how many are told."""
        told = 0
        for _ in range(seconds * 10):
            told += self.outage.failed()
            self.now_s += 0.1
        return told


def test_an_outage_is_told_at_once_then_every_minute_and_its_end_once() -> None:
    watched = Watched()
    assert not watched.outage.mended()
    assert watched.outage.failed()
    assert watched.failures_told(int(AGAIN_S) - 1) == 0
    assert watched.failures_told(300) == 5
    assert [watched.outage.mended(), watched.outage.mended()] == [True, False]


def test_the_next_outage_is_told_at_once_unless_it_comes_right_behind() -> None:
    watched = Watched()
    watched.outage.failed()
    watched.outage.mended()
    watched.now_s += 1.0
    assert not watched.outage.failed()
    assert not watched.outage.mended(), "what was not told of does not end either"
    watched.now_s += 10.0
    assert watched.outage.failed()
