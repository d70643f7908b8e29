"""What the log says of a tier that fails names what it was held to."""

from __future__ import annotations

import logging

import pytest

from lookup.observer import ERROR, LATE, OPEN
from lookup.resolution import Tier
from lookup.settings import LookupSettings
from proxy.metered_lookups import MeteredLookups
from proxy.observe.meters import Meters
from proxy.observe.rows import RowBank


def told(caplog: pytest.LogCaptureFixture, *failures: tuple[float, int, str], cause: str = "") -> list[str]:
    """What is logged of failures of a tier, each at its time, with a deadline of 0.5 s."""
    times = iter([failure[0] for failure in failures])
    row = RowBank(1).open_row()
    observer = MeteredLookups(Meters(row.counters), LookupSettings(deadline_s=0.5), lambda: next(times))
    with caplog.at_level(logging.WARNING, "homecell"):
        for _, tier, reason in failures:
            observer.tier_failed(tier, reason, cause)
    row.close()
    return caplog.messages


def test_a_late_store_is_told_with_the_setting_that_it_met_and_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = "late: no answer within 0.5 s, lookup.deadline_s: 0.5; it is slow, or this machine is too busy"
    assert told(caplog, (0.0, Tier.STORE, LATE)) == [f"lookups: the tier store failed ({said})"]


def test_a_late_cache_is_told_with_its_share_of_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    (said,) = told(caplog, (0.0, Tier.SHARED, LATE))
    assert "no answer within 0.2 s, 0.4 of lookup.deadline_s: 0.5;" in said


def test_a_tier_that_keeps_failing_is_told_twice_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    failures = [(float(second), int(Tier.STORE), ERROR) for second in range(60)]
    assert told(caplog, *failures) == ["lookups: the tier store failed (error)"] * 2


def test_a_tier_that_is_skipped_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, (0.0, Tier.STORE, OPEN)) == []


def test_what_a_tier_failed_of_is_told_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    cause = "http://lookup:8090: no answer (refused)\nedge stops"
    assert told(caplog, (0.0, Tier.STORE, ERROR), cause=cause) == [
        "lookups: the tier store failed (error: http://lookup:8090: no answer (refused)?edge stops)"
    ]
