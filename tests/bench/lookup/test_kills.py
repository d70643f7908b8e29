"""What a phase of an outage amounts to."""

from __future__ import annotations

from bench.lookup.edge_under_load import Sample
from bench.lookup.kills import row_of


def test_errors_are_counted_by_kind_and_times_by_share() -> None:
    samples = [Sample(0.0, float(number), False, "memory") for number in range(1, 96)]
    samples += [Sample(0.0, 250.0, False, "503"), Sample(0.0, 250.0, True, "503")]
    samples += [Sample(0.0, 300.0, True, "503"), Sample(0.0, 260.0, False, "stale")]
    samples += [Sample(0.0, 1.0, True, "confirmed")]
    row = row_of("Redis killed", "during", samples)
    assert (row.requests, row.reads_503, row.writes_503, row.stale) == (100, 1, 2, 1)
    assert (row.p50_ms, row.p99_ms, row.longest_ms) == (50.0, 300.0, 300.0)
    assert row.answered_by == {"memory": 95, "503": 3, "stale": 1, "confirmed": 1}
