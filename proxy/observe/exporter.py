"""One Prometheus exposition for the whole edge, from the sums over its workers' rows; reads, never counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from platform import python_version
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from lookup.resolution import OUTCOME_LABELS, TIER_LABELS, Tier
from proxy.model import NOT_MINE_LABELS
from proxy.observe.heavy import Heavy
from proxy.observe.key_families import key_families
from proxy.observe.layout import (
    ATTEMPT_FAILURES,
    CODES,
    COMPARED,
    CONNECTIONS,
    FALLBACKS,
    FLAGS,
    HEDGES,
    IN_FLIGHT,
    LOG_DROPPED,
    LOOKUP_BOUNDS_S,
    LOOKUP_BUCKET_COUNT,
    LOOKUP_BUCKETS,
    LOOKUP_NS,
    LOOKUPS,
    MISROUTES,
    NOT_MINE,
    REFUSALS,
    REPLIES,
    REQUEST_BOUNDS_S,
    REQUEST_BUCKET_COUNT,
    REQUEST_BUCKETS,
    REQUEST_NS,
    RETRIES,
    SLUGS,
    cell_start,
)
from proxy.observe.rows import CellUsers, RelayState
from proxy.observe.token_keys import TokenKeyState
from proxy.observe.truth_families import relay_families, tier_families, user_families
from proxy.observe.usage import Usage

NO_CELL: Final = "none"
_OPENMETRICS: Final = "application/openmetrics-text"
_NS_PER_S: Final = 1e9
RANKS: Final = 3
"""So many series for each cell say how much of its traffic is its heaviest users'."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is exported, as of one moment.

    cells       names, by index
    totals      RowBank.totals()
    flags       for each cell the flags that workers apply (more than one while a change spreads)
    feed_age_s  of the worker that heard least recently from the feed; None when none did
    heavy       who asks most, at most RANKS of each cell; only how much is exported, not who
    relays      Row.relay() of the workers that are one; None where the store needs no relay
    census      Row.census() of the worker that counts users; None where none does
    token_keys  None while no worker has told of its keys
    """

    cells: Sequence[str]
    totals: Sequence[int]
    flags: Sequence[frozenset[str]]
    feed_age_s: float | None
    workers_ready: int
    restarts: int
    uses: Sequence[Usage]
    heavy: Sequence[Heavy] = ()
    relays: Sequence[RelayState] | None = None
    census: tuple[int, Sequence[CellUsers]] | None = None
    token_keys: TokenKeyState | None = None


def render(reading: Reading, accept: str) -> tuple[bytes, str]:
    """Body and content type: OpenMetrics when the Accept field names it, else the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Families(reading))
    if _OPENMETRICS in accept:
        body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # untyped there
        return body, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Families(Collector):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._totals = reading.totals
        starts = [(name, cell_start(index)) for index, name in enumerate(reading.cells)]
        self._cells = starts
        self._cells_and_none = [*starts, (NO_CELL, cell_start(len(starts)))]

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._cell_troubles()
        yield self._heavy()
        yield from self._lookups()
        yield from tier_families(self._totals)
        if self._reading.relays is not None:
            yield from relay_families(self._reading.relays)
        if self._reading.census is not None:
            yield from user_families(self._reading.cells, self._reading.census)
        if self._reading.token_keys is not None:
            yield from key_families(self._reading.token_keys)
        yield from self._edge()
        yield from self._processes()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "homecell_requests",
            "Requests answered, by the user's home cell and status.",
            labels=["cell", "code"],
        )
        seconds = HistogramMetricFamily(
            "homecell_request_seconds",
            "From a request's complete head to the last byte of its reply, as given to the client's "
            "connection. Its body, the lookup and the cell are in it; not in it are the time in which the "
            "head arrived, and what the client had yet to read at the end.",
            labels=["cell"],
        )
        in_flight = GaugeMetricFamily("homecell_in_flight_requests", "Requests under way.", labels=["cell"])
        for name, start in self._cells_and_none:
            for code, count in self._seen(CODES, start + REPLIES):
                requests.add_metric([name, code], count)
            buckets = self._buckets(start + REQUEST_BUCKETS, REQUEST_BUCKET_COUNT, REQUEST_BOUNDS_S)
            seconds.add_metric([name], buckets, self._totals[start + REQUEST_NS] / _NS_PER_S)
            in_flight.add_metric([name], self._totals[start + IN_FLIGHT])
        yield from (requests, seconds, in_flight)

    def _cell_troubles(self) -> Iterator[Metric]:
        fallbacks = CounterMetricFamily(
            "homecell_fallbacks", "Degraded answers given in place of the cell's.", labels=["cell", "reason"]
        )
        retries = CounterMetricFamily("homecell_retries", "Requests sent once more.", labels=["cell"])
        failures = CounterMetricFamily(
            "homecell_attempt_failures", "Exchanges with the cell that failed.", labels=["cell"]
        )
        not_mine = CounterMetricFamily(
            "homecell_not_mine",
            "Requests that the cell refused because the user is not at home there, by what became of them.",
            labels=["cell", "result"],
        )
        flag = GaugeMetricFamily(
            "homecell_cell_flag",
            "1 for the flag in force; unknown: a word that this version does not know, taken for down.",
            labels=["cell", "flag"],
        )
        for index, (name, start) in enumerate(self._cells):
            for slug, count in self._seen(SLUGS, start + FALLBACKS):
                fallbacks.add_metric([name, slug], count)
            retries.add_metric([name], self._totals[start + RETRIES])
            failures.add_metric([name], self._totals[start + ATTEMPT_FAILURES])
            for result, count in self._seen(NOT_MINE_LABELS, start + NOT_MINE):
                not_mine.add_metric([name, result], count)
            for label in FLAGS:
                flag.add_metric([name, label], float(label in self._reading.flags[index]))
        yield from (fallbacks, retries, failures, not_mine, flag)

    def _heavy(self) -> Metric:
        share = GaugeMetricFamily(
            "homecell_heavy_hitter_share",
            "The share of the cell's requests that the user has at least (99 % sure, by a sample) who asks "
            "most (rank 1), and so on; in the last two minutes or so. `homecell users heavy` says who.",
            labels=["cell", "rank"],
        )
        ranks = Counter[str]()
        for user in self._reading.heavy:
            ranks[user.cell] += 1
            share.add_metric([user.cell, str(ranks[user.cell])], user.share_at_least)
        return share

    def _lookups(self) -> Iterator[Metric]:
        lookups = CounterMetricFamily(
            "homecell_lookups",
            "Answers of the resolver, by the tier that gave them.",
            labels=["tier", "result"],
        )
        seconds = HistogramMetricFamily(
            "homecell_lookup_seconds",
            "Time to the resolver's answer, by the tier that gave it.",
            labels=["tier"],
        )
        for index, tier in enumerate(TIER_LABELS):
            for place, result in enumerate(OUTCOME_LABELS, LOOKUPS + index * len(OUTCOME_LABELS)):
                lookups.add_metric([tier, result], self._totals[place])
            first = LOOKUP_BUCKETS + index * LOOKUP_BUCKET_COUNT
            buckets = self._buckets(first, LOOKUP_BUCKET_COUNT, LOOKUP_BOUNDS_S)
            seconds.add_metric([tier], buckets, self._totals[LOOKUP_NS + index] / _NS_PER_S)
        yield from (lookups, seconds)
        yield from self._lookup_watch()

    def _lookup_watch(self) -> Iterator[Metric]:
        hedges = CounterMetricFamily(
            "homecell_lookup_hedges", "Late readings that the next tier raced.", labels=["tier"]
        )
        compared = CounterMetricFamily(
            "homecell_misroute_checks", "Cached homes compared with the store.", labels=["tier"]
        )
        misroutes = CounterMetricFamily(
            "homecell_misroutes",
            "Those among them that were still wrong after the allowed lag.",
            labels=["tier"],
        )
        for tier in (Tier.MEMORY, Tier.SHARED):
            label = TIER_LABELS[tier]
            compared.add_metric([label], self._totals[COMPARED + tier])
            misroutes.add_metric([label], self._totals[MISROUTES + tier])
        hedges.add_metric([TIER_LABELS[Tier.SHARED]], self._totals[HEDGES + Tier.SHARED])
        yield from (hedges, compared, misroutes)

    def _edge(self) -> Iterator[Metric]:
        refusals = CounterMetricFamily(
            "homecell_refusals", "Requests refused by this edge itself.", labels=["reason"]
        )
        for place, slug in enumerate(SLUGS, REFUSALS):
            refusals.add_metric([slug], self._totals[place])
        yield refusals
        connections = self._totals[CONNECTIONS]
        yield GaugeMetricFamily("homecell_client_connections", "Open client connections.", connections)
        dropped = self._totals[LOG_DROPPED]
        yield CounterMetricFamily("homecell_access_log_dropped", "Access log lines lost.", dropped)
        if self._reading.feed_age_s is not None:
            text = "Since the feed's last sign of life, of the worker that heard least recently."
            yield GaugeMetricFamily("homecell_feed_age_seconds", text, self._reading.feed_age_s)

    def _processes(self) -> Iterator[Metric]:
        reading = self._reading
        yield GaugeMetricFamily("homecell_workers", "Workers that serve.", reading.workers_ready)
        yield CounterMetricFamily("homecell_worker_restarts", "Workers replaced.", reading.restarts)
        cpu = CounterMetricFamily("homecell_worker_cpu_seconds", "User and system time.", labels=["worker"])
        resident = GaugeMetricFamily("homecell_worker_resident_bytes", "Resident memory.", labels=["worker"])
        for use in reading.uses:
            cpu.add_metric([str(use.slot)], use.cpu_s)
            resident.add_metric([str(use.slot)], use.resident_bytes)
        yield from (cpu, resident)
        build = GaugeMetricFamily("homecell_build_info", "Always 1.", labels=["version", "python"])
        build.add_metric([version("homecell"), python_version()], 1)
        yield build

    def _seen(self, labels: Sequence[str], first: int) -> Iterator[tuple[str, int]]:
        """Only what was counted at least once: labels by cell are many and most stay at nothing."""
        counts = self._totals[first : first + len(labels)]
        return ((label, count) for label, count in zip(labels, counts, strict=True) if count)

    def _buckets(self, first: int, count: int, bounds: Sequence[float]) -> list[tuple[str, float]]:
        cumulated = accumulate(self._totals[first : first + count])
        return list(zip([*map(str, bounds), "+Inf"], cumulated, strict=True))
