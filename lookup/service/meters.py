"""What the lookup service counts, as Prometheus text."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lookup.resolution import OUTCOME_LABELS, TIER_LABELS
from lookup.service.cells import CellFigures

_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class ServiceMeters:
    """The counters of one service. `feed_age_s` is asked at each scrape."""

    def __init__(self, feed_age_s: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "homecell_service_requests",
            "Requests answered.",
            ["operation", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "homecell_service_request_seconds",
            "Time to the reply.",
            ["operation"],
            buckets=_BOUNDS_S,
            registry=self._registry,
        )
        self._keys = Counter(
            "homecell_service_keys",
            "Keys looked up, by the tier that answered.",
            ["tier", "result"],
            registry=self._registry,
        )
        self._streams = Gauge("homecell_service_streams", "Followers of the feed.", registry=self._registry)
        self._connections = Gauge(
            "homecell_service_connections", "Clients that are connected.", registry=self._registry
        )
        self._refused = Counter(
            "homecell_service_connections_refused",
            "Clients that were hung up on because too many were connected.",
            registry=self._registry,
        )
        self._stalled = Counter(
            "homecell_service_connections_stalled",
            "Clients that were hung up on because they did not take a reply.",
            registry=self._registry,
        )
        age = Gauge(
            "homecell_feed_age_seconds", "Since the feed's last sign of life.", registry=self._registry
        )
        age.set_function(feed_age_s)
        self._open_moves = Gauge("homecell_service_moves_open", "Not over.", registry=self._registry)
        self._still_moves = Gauge(
            "homecell_service_moves_without_driver",
            "Of those, neither carried out by anybody nor taken over here.",
            registry=self._registry,
        )
        self._users = Gauge(
            "homecell_cell_users", "Keys at home in the cell.", ["cell"], registry=self._registry
        )
        self._share = Gauge(
            "homecell_cell_share", "The cell's part of all keys, 0 to 1.", ["cell"], registry=self._registry
        )
        self._capacity = Gauge(
            "homecell_cell_capacity", "Most keys it may have.", ["cell"], registry=self._registry
        )
        self._count_age = Gauge(
            "homecell_cell_count_age_seconds", "Since the keys were counted.", registry=self._registry
        )

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """A request was answered; `operation` is the operationId of the OpenAPI document, or "none"."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def looked_up(self, tally: Tally[tuple[int, int]]) -> None:
        """So many keys by (Tier, Outcome)."""
        for (tier, outcome), keys in tally.items():
            self._keys.labels(TIER_LABELS[tier], OUTCOME_LABELS[outcome]).inc(keys)

    def streams(self, count: int) -> None:
        """So many follow the feed now."""
        self._streams.set(count)

    def count_connections(self, connected: Callable[[], int]) -> None:
        """Ask that at each scrape."""
        self._connections.set_function(connected)

    def refused(self) -> None:
        """Somebody was hung up on at once."""
        self._refused.inc()

    def stalled(self) -> None:
        """Somebody was hung up on who did not take a reply."""
        self._stalled.inc()

    def moves(self, is_open: int, without_driver: int) -> None:
        """So many moves are not over, and so many of them need somebody."""
        self._open_moves.set(is_open)
        self._still_moves.set(without_driver)

    def cells(self, figures: CellFigures) -> None:
        """So many live in each cell."""
        total = sum(figures.users.values())
        for cell, users in figures.users.items():
            self._users.labels(cell).set(users)
            self._share.labels(cell).set(users / total if total else 0.0)
        for cell, capacity in figures.capacity.items():
            self._capacity.labels(cell).set(capacity)
        self._count_age.set(figures.age_s)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)
