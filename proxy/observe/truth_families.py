"""What a scrape shows of the tiers behind memory: their failures, writes on their way, users by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from lookup.observer import FAILURES
from lookup.resolution import TIER_LABELS, Tier
from proxy.observe.layout import CIRCUIT_OPENINGS, CIRCUITS_OPEN, TIER_FAILURES
from proxy.observe.rows import CellUsers, RelayState

_ASKED: Final = (Tier.SHARED, Tier.STORE)


def tier_families(totals: Sequence[int]) -> Iterator[Metric]:
    """`totals` is RowBank.totals()."""
    failures = CounterMetricFamily(
        "homecell_tier_failures",
        "Readings of the tier that failed: late, error; older or wrong-key answers; open: it was skipped.",
        labels=["tier", "kind"],
    )
    is_open = GaugeMetricFamily(
        "homecell_tier_circuits_open",
        "Readers, over all workers, that skip the tier now because it kept failing; of the store each worker "
        "has two: lookups, and confirmations of writes.",
        labels=["tier"],
    )
    openings = CounterMetricFamily(
        "homecell_tier_circuit_openings", "How often a reader began to skip the tier.", labels=["tier"]
    )
    for tier in _ASKED:
        label = TIER_LABELS[tier]
        for place, kind in enumerate(FAILURES, TIER_FAILURES + tier * len(FAILURES)):
            failures.add_metric([label, kind], totals[place])
        is_open.add_metric([label], totals[CIRCUITS_OPEN + tier])
        openings.add_metric([label], totals[CIRCUIT_OPENINGS + tier])
    yield from (failures, is_open, openings)


def relay_families(relays: Sequence[RelayState]) -> Iterator[Metric]:
    """Of each worker that is the relay (seldom more than one)."""
    yield GaugeMetricFamily(
        "homecell_relays", "Workers of this edge that bring writes to the feed now.", len(relays)
    )
    if relays:
        yield GaugeMetricFamily(
            "homecell_relay_pending",
            "Writes that may not be in the feed yet, the most in the last seconds.",
            max(relay.pending for relay in relays),
        )
        yield GaugeMetricFamily(
            "homecell_relay_lag_seconds",
            "Age of the oldest of them.",
            max(relay.lag_s for relay in relays),
        )
        yield GaugeMetricFamily(
            "homecell_relay_feed_evictable",
            "1: the Redis that keeps the feed may evict it, by its maxmemory-policy, else 0.",
            max(relay.endangered for relay in relays),
        )


def user_families(names: Sequence[str], census: tuple[int, Sequence[CellUsers]]) -> Iterator[Metric]:
    """Users of all cells, and of each one by index."""
    users = GaugeMetricFamily("homecell_cell_users", "Users at home in the cell.", labels=["cell"])
    share = GaugeMetricFamily("homecell_cell_share", "Their part of all users, 0 to 1.", labels=["cell"])
    capacity = GaugeMetricFamily(
        "homecell_cell_capacity", "The most that it may have, where that is said.", labels=["cell"]
    )
    crowded = GaugeMetricFamily(
        "homecell_cell_crowded", "1: too many, as `homecell cells list` warns, else 0.", labels=["cell"]
    )
    total, cells = census
    for name, cell in zip(names, cells, strict=True):
        users.add_metric([name], cell.users)
        share.add_metric([name], cell.users / total if total else 0.0)
        crowded.add_metric([name], float(cell.crowded))
        if cell.capacity >= 0:
            capacity.add_metric([name], cell.capacity)
    yield from (users, share, capacity, crowded)
