"""What a worker counts is what a scrape shows."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from lookup.observer import FAILURES, LATE
from lookup.resolution import Tier
from proxy import errors
from proxy.model import NotMineResult
from proxy.observe import layout
from proxy.observe.exporter import Reading, render
from proxy.observe.heavy import Heavy
from proxy.observe.meters import Meters
from proxy.observe.rows import CellUsers, RelayState, Row, RowBank
from proxy.observe.token_keys import TokenKeyState
from proxy.observe.usage import Usage
from tests.proxy.observe.reading import CELLS, scrape

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_each_kind_of_count_has_a_place_of_its_own(row: Row) -> None:
    meters = Meters(row.counters)
    for cell in (*meters.cells, meters.none):
        cell.enter()
        cell.reply(200, 0.001)
        cell.fallback("cell-down")
        cell.attempt_failed()
        cell.retry()
        cell.not_mine(NotMineResult.REPLAYED)
        cell.flag(down=True)
        cell.users(1, 1, True)
    for tier in range(5):
        for outcome in range(3):
            meters.lookup(tier, outcome, 1.0)
        for kind in FAILURES:
            meters.tier_failed(tier, kind)
        meters.circuit(tier, True)
    for slug in layout.SLUGS:
        meters.refused(slug)
    meters.connected()
    meters.log_dropped(1)
    meters.feed_seen(1.0)
    meters.relay(True, 1, 1.0, True)
    meters.all_users(1)
    meters.token_keys(1, 1, True, 1.0)
    meters.publish()
    places = len([value for value in row.counters if value])
    by_cell = 12  # in flight, code, bucket, sum, fallback, failure, retry, not mine, flag; of users three
    of_tiers = 5 * 3 + 5 + 5 + 5 * len(FAILURES) + 2 * 5
    assert places == 3 * by_cell + of_tiers + len(layout.SLUGS) + 3 + 4 + 1 + 4


def test_a_tier_that_is_skipped_is_told_with_what_had_failed_of_it(row: Row) -> None:
    meters = Meters(row.counters)
    for _ in range(3):
        meters.tier_failed(Tier.SHARED, LATE)
    meters.circuit(Tier.SHARED, True)
    meters.circuit(Tier.STORE, True)
    meters.circuit(Tier.STORE, False)
    meters.publish()
    seen = scrape(list(row.counters))
    assert seen.value("homecell_tier_failures_total", tier="redis", kind="late") == 3
    assert seen.value("homecell_tier_failures_total", tier="store", kind="error") == 0
    for tier, is_open in (("redis", 1), ("store", 0)):
        assert seen.value("homecell_tier_circuits_open", tier=tier) == is_open
        assert seen.value("homecell_tier_circuit_openings_total", tier=tier) == 1
    bank = RowBank(len(CELLS))
    dead = bank.open_row()
    Meters(dead.counters).publish()
    dead.counters[:] = row.counters
    bank.retire(dead)
    seen = scrape(bank.totals())
    assert seen.value("homecell_tier_circuits_open", tier="redis") == 0, "a dead worker skips nothing"
    assert seen.value("homecell_tier_circuit_openings_total", tier="redis") == 1


def test_writes_on_their_way_to_the_feed_are_told_by_the_worker_that_brings_them(row: Row) -> None:
    meters = Meters(row.counters)
    meters.publish()
    assert row.relay() is None
    meters.relay(True, 7, 2.5, True)
    meters.publish()
    assert row.relay() == (7, 2.5, True)
    seen = scrape(list(row.counters), relays=[RelayState(7, 2.5, True), RelayState(1, 4.0, False)])
    assert seen.value("homecell_relays") == 2
    assert seen.value("homecell_relay_pending") == 7
    assert seen.value("homecell_relay_lag_seconds") == 4.0
    assert seen.value("homecell_relay_feed_evictable") == 1
    assert (
        scrape(list(row.counters), relays=[RelayState(1, 4.0, False)]).value("homecell_relay_feed_evictable")
        == 0
    )
    assert scrape(list(row.counters), relays=[]).value("homecell_relays") == 0
    assert scrape(list(row.counters)).value("homecell_relays") is None, "a store without a relay"


def test_users_are_told_by_cell_as_the_one_worker_counts_them_that_does(row: Row) -> None:
    meters = Meters(row.counters)
    meters.publish()
    assert row.census() is None
    meters.all_users(10)
    meters.cells[0].users(6, 8, True)
    meters.cells[1].users(3, None, False)
    meters.publish()
    assert row.census() == (10, [CellUsers(6, 8, True), CellUsers(3, -1, False)])
    seen = scrape(list(row.counters), census=row.census())
    for cell, users, share, capacity, crowded in (("eu-1", 6, 0.6, 8, 1), ("us-1", 3, 0.3, None, 0)):
        assert seen.value("homecell_cell_users", cell=cell) == users
        assert seen.value("homecell_cell_share", cell=cell) == share
        assert seen.value("homecell_cell_capacity", cell=cell) == capacity
        assert seen.value("homecell_cell_crowded", cell=cell) == crowded
    assert scrape(list(row.counters)).value("homecell_cell_users", cell="eu-1") is None


def test_every_metric_is_documented() -> None:
    totals = [1] * layout.row_length(len(CELLS))
    heavy = [Heavy("eu-1", "user:1", 0.5, 0.6, 50, 91)]
    census = (2, [CellUsers(1, 1, False)] * 2)
    flags = [frozenset[str]()] * 2
    uses = [Usage(0, 1.0, 1)]
    keys = TokenKeyState(1, 0, False, 1.0)
    reading = Reading(CELLS, totals, flags, 1.0, 1, 0, uses, heavy, [RelayState(1, 1.0, False)], census, keys)
    body, _ = render(reading, accept="")
    names = {line.split()[2] for line in body.decode().splitlines() if line.startswith("# TYPE ")}
    told = set(re.findall(r"`(homecell_\w+)`", DOCUMENT.read_text()))
    assert {name for name in names if not name.endswith("_created")} == told


def test_what_became_of_a_refused_user_is_counted_by_the_cell_that_refused(row: Row) -> None:
    meters = Meters(row.counters)
    for result in NotMineResult:
        for _ in range(result + 1):
            meters.cells[1].not_mine(result)
    meters.publish()
    seen = scrape(list(row.counters))
    for result in NotMineResult:
        label = result.name.lower()
        assert seen.value("homecell_not_mine_total", cell="us-1", result=label) == result + 1
        assert seen.value("homecell_not_mine_total", cell="eu-1", result=label) is None


def test_a_reply_is_counted_by_cell_and_status(row: Row) -> None:
    meters = Meters(row.counters)
    meters.cells[1].reply(200, 0.02)
    meters.cells[1].reply(200, 0.02)
    meters.none.reply(401, 0.0)
    meters.publish()
    seen = scrape(row.counters.tolist())
    assert seen.value("homecell_requests_total", cell="us-1", code="200") == 2
    assert seen.value("homecell_requests_total", cell="none", code="401") == 1
    assert seen.total("homecell_requests_total") == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (103, "1xx"),
        (299, "2xx"),
        (404, "404"),
        (418, "4xx"),
        (599, "5xx"),
        (0, "other"),
        (-1, "other"),
        (600, "other"),
    ],
)
def test_a_status_that_is_not_counted_exactly_is_counted_by_its_class(
    row: Row, status: int, code: str
) -> None:
    meters = Meters(row.counters)
    meters.cells[0].reply(status, 0.0)
    meters.publish()
    assert scrape(row.counters.tolist()).value("homecell_requests_total", cell="eu-1", code=code) == 1


def test_a_duration_falls_into_the_first_bucket_that_is_not_below_it(row: Row) -> None:
    meters = Meters(row.counters)
    for seconds in (0.001, 0.0010001, 1000.0):
        meters.cells[0].reply(200, seconds)
    meters.publish()
    seen = scrape(row.counters.tolist())
    assert seen.value("homecell_request_seconds_bucket", cell="eu-1", le="0.0005") == 0
    assert seen.value("homecell_request_seconds_bucket", cell="eu-1", le="0.001") == 1
    assert seen.value("homecell_request_seconds_bucket", cell="eu-1", le="0.0025") == 2
    assert seen.value("homecell_request_seconds_bucket", cell="eu-1", le="30.0") == 2
    assert seen.value("homecell_request_seconds_bucket", cell="eu-1", le="+Inf") == 3
    assert seen.value("homecell_request_seconds_count", cell="eu-1") == 3
    assert seen.value("homecell_request_seconds_sum", cell="eu-1") == pytest.approx(1000.0020001)


def test_lookups_are_counted_by_tier_and_result(row: Row) -> None:
    meters = Meters(row.counters)
    meters.lookup(1, 0, 0.000001)
    meters.lookup(3, 1, 0.004)
    meters.publish()
    seen = scrape(row.counters.tolist())
    assert seen.value("homecell_lookups_total", tier="memory", result="found") == 1
    assert seen.value("homecell_lookups_total", tier="store", result="unknown") == 1
    assert seen.total("homecell_lookups_total") == 2
    assert seen.value("homecell_lookup_seconds_bucket", tier="memory", le="2e-06") == 1
    assert seen.value("homecell_lookup_seconds_sum", tier="store") == pytest.approx(0.004)


def test_an_unknown_slug_is_counted_as_other(row: Row) -> None:
    meters = Meters(row.counters)
    meters.refused("no-such-problem")
    meters.cells[0].fallback("no-such-problem")
    meters.publish()
    seen = scrape(row.counters.tolist())
    assert seen.value("homecell_refusals_total", reason="other") == 1
    assert seen.value("homecell_fallbacks_total", cell="eu-1", reason="other") == 1


def test_every_problem_of_the_taxonomy_is_a_reason() -> None:
    assert errors.WRONG_EDGE.slug in layout.SLUGS
    assert len(layout.SLUGS) == len(set(layout.SLUGS))


def test_the_flag_that_workers_apply_is_exported_for_each_cell(row: Row) -> None:
    assert (row.flag(0), row.flag(1)) == ("", "")
    meters = Meters(row.counters)
    meters.cells[0].flag(down=False)
    meters.cells[1].flag(down=True)
    meters.publish()
    assert (row.flag(0), row.flag(1)) == ("serving", "down")
    seen = scrape(row.counters.tolist(), (frozenset({"serving"}), frozenset({"down"})))
    assert seen.value("homecell_cell_flag", cell="eu-1", flag="serving") == 1
    assert seen.value("homecell_cell_flag", cell="eu-1", flag="down") == 0
    assert seen.value("homecell_cell_flag", cell="us-1", flag="down") == 1
    assert seen.value("homecell_cell_flag", cell="us-1", flag="unknown") == 0
    meters.cells[0].flag(down=True, unknown=True)
    meters.publish()
    assert row.flag(0) == "unknown"


def test_the_bounds_of_the_histograms_ascend() -> None:
    for bounds in (layout.REQUEST_BOUNDS_S, layout.LOOKUP_BOUNDS_S):
        assert all(low < high for low, high in pairwise(bounds))


def test_openmetrics_is_given_to_who_accepts_it() -> None:
    totals = [0] * layout.row_length(len(CELLS))
    reading = Reading(CELLS, totals, (frozenset(), frozenset()), 1.5, workers_ready=2, restarts=1, uses=())
    body, content_type = render(reading, accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert b"homecell_feed_age_seconds 1.5\n" in body
