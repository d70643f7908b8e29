"""How an edge stands with its token keys: the worst of its workers, and the last time that all was well."""

from __future__ import annotations

from proxy.observe.layout import row_length
from proxy.observe.meters import Meters
from proxy.observe.rows import Row, RowBank
from proxy.observe.token_keys import TokenKeyState, WorkerKeys, state_of
from tests.proxy.observe.reading import CELLS, Scrape, scrape

NOW_S = 1_790_000_000.0


def shown(keys: TokenKeyState | None) -> Scrape:
    return scrape([0] * row_length(len(CELLS)), token_keys=keys)


def test_what_a_worker_tells_of_its_keys_is_read_from_its_row(row: Row) -> None:
    meters = Meters(row.counters)
    meters.publish()
    assert row.token_keys() is None
    meters.token_keys(0, 2, True, NOW_S)
    meters.publish()
    assert row.token_keys() == WorkerKeys(0, 2, True, NOW_S)


def test_what_a_dead_worker_told_is_no_part_of_the_sums() -> None:
    bank = RowBank(len(CELLS))
    row = bank.open_row()
    meters = Meters(row.counters)
    meters.token_keys(3, 1, True, NOW_S)
    meters.publish()
    bank.retire(row)
    assert not any(bank.totals())


def test_of_several_workers_the_fewest_keys_and_the_most_mistakes_count() -> None:
    workers = [WorkerKeys(4, 0, False, NOW_S - 1), WorkerKeys(3, 1, True, 0.0)]
    assert state_of(workers, NOW_S - 1, NOW_S) == TokenKeyState(3, 1, True, 1.0)


def test_an_edge_of_which_no_worker_has_looked_yet_says_nothing() -> None:
    assert state_of([], 0.0, NOW_S) is None
    assert shown(None).value("homecell_token_keys") is None


def test_without_a_file_the_keys_have_no_age() -> None:
    keys = state_of([WorkerKeys(2, 0, False, 0.0)], 0.0, NOW_S)
    assert keys == TokenKeyState(2, 0, False, None)
    assert shown(keys).value("homecell_token_keys") == 2
    assert shown(keys).value("homecell_token_keys_age_seconds") is None


def test_a_clock_that_was_set_back_makes_no_age_negative() -> None:
    keys = state_of([WorkerKeys(2, 0, False, NOW_S + 9)], NOW_S + 9, NOW_S)
    assert keys is not None
    assert keys.age_s == 0.0


def test_a_scrape_tells_what_is_wrong_with_the_file_and_since_when_it_was_good() -> None:
    seen = shown(TokenKeyState(3, 2, True, 61.5))
    assert seen.value("homecell_token_keys") == 3
    assert seen.value("homecell_token_keys_refused") == 2
    assert seen.value("homecell_token_keys_unusable") == 1
    assert seen.value("homecell_token_keys_age_seconds") == 61.5
