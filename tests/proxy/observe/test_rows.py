"""The memory in which workers count: added up over them, kept when one dies, shared with who inherits it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from proxy.observe import layout
from proxy.observe.meters import Meters
from proxy.observe.rows import Row, RowBank
from tests.proxy.observe.reading import CELLS, scrape


def test_metrics_are_the_sum_over_the_workers() -> None:
    bank = RowBank(len(CELLS))
    rows = [bank.open_row(), bank.open_row()]
    for row in rows:
        meters = Meters(row.counters)
        meters.cells[0].reply(200, 0.5)
        meters.connected()
        meters.publish()
    seen = scrape(bank.totals())
    assert seen.value("homecell_requests_total", cell="eu-1", code="200") == 2
    assert seen.value("homecell_request_seconds_sum", cell="eu-1") == 1.0
    assert seen.value("homecell_client_connections") == 2
    for row in rows:
        bank.retire(row)


def test_what_a_dead_worker_counted_is_kept_and_its_levels_are_dropped() -> None:
    bank = RowBank(len(CELLS))
    dead, alive = bank.open_row(), bank.open_row()
    for row in (dead, alive):
        meters = Meters(row.counters)
        meters.cells[0].enter()
        meters.none.enter()
        meters.connected()
        meters.cells[0].reply(200, 0.5)
        meters.publish()
    bank.retire(dead)
    seen = scrape(bank.totals())
    assert seen.value("homecell_requests_total", cell="eu-1", code="200") == 2
    assert seen.value("homecell_in_flight_requests", cell="eu-1") == 1
    assert seen.value("homecell_in_flight_requests", cell="none") == 1
    assert seen.value("homecell_client_connections") == 1
    bank.retire(alive)
    assert scrape(bank.totals()).value("homecell_client_connections") == 0


def test_a_row_is_shared_with_the_process_that_inherits_it(row: Row) -> None:
    program = (
        "import sys; from proxy.observe.meters import Meters; from proxy.observe.rows import Row\n"
        "meters = Meters(Row(int(sys.argv[1])).counters); meters.cells[1].reply(204, 0.25); meters.publish()"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(row.descriptor)], pass_fds=[row.descriptor], check=True
    )
    assert scrape(row.counters.tolist()).value("homecell_requests_total", cell="us-1", code="204") == 1


def test_what_is_counted_is_seen_when_it_is_published_and_goes_on_from_what_the_row_held(row: Row) -> None:
    before = Meters(row.counters)
    before.cells[1].reply(200, 0.5)
    assert not any(row.counters)
    before.publish()
    after = Meters(row.counters)
    after.cells[0].reply(200, 0.5)
    after.cells[1].reply(200, 0.5)
    after.publish()
    seen = scrape(row.counters.tolist())
    assert seen.value("homecell_requests_total", cell="us-1", code="200") == 2
    assert seen.value("homecell_requests_total", cell="eu-1", code="200") == 1


def test_memory_of_another_length_is_no_row() -> None:
    with pytest.raises(ValueError, match="not a row"):
        Meters(memoryview(bytearray(8 * (layout.row_length(3) + 1))).cast("q"))
