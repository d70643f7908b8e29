"""The sums of single rows: skewed draws, delays of the feed, the ratio of two edges, what is kept."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bench.lookup.edge import figures
from bench.lookup.feed import Written, delays_ms
from bench.lookup.figures import Figure
from bench.lookup.rows import ROWS, Measured, draw, keep
from bench.lookup.surroundings import Surroundings
from bench.lookup.zipf import CACHED_SHARE, cached
from bench.lookup.zipf import draw as draw_ranks
from bench.peers import table
from bench.peers.rows import Row
from bench.peers.traffic import Algorithm

AROUND = Surroundings("2026-11-21T12:00:00+00:00", "abc", "CPU", 2, "6.1", 0.1, "Python", True, "7", "5")


def test_by_zipfs_law_the_second_user_comes_half_as_often_as_the_first() -> None:
    counts = Counter(draw_ranks(1000, 100_000, seed=1))
    assert counts[0] / counts[1] == pytest.approx(2.0, rel=0.05)
    assert counts[0] / counts[9] == pytest.approx(10.0, rel=0.1)
    assert set(counts) <= set(range(1000))


def test_a_draw_can_be_repeated_by_its_seed() -> None:
    assert draw_ranks(1000, 50, seed=1) == draw_ranks(1000, 50, seed=1) != draw_ranks(1000, 50, seed=2)


def test_redis_holds_most_users_but_not_all() -> None:
    held = cached(set(range(10_000)))
    assert len(held) / 10_000 == pytest.approx(CACHED_SHARE, abs=0.01)


def test_a_move_has_arrived_when_the_last_worker_knows_it() -> None:
    moves = [Written("user:1", 10.0, 10.001), Written("user:2", 11.0, 11.001)]
    heard = [{"user:1": 10.01, "user:2": 11.05}, {"user:1": 10.03, "user:2": 11.02}]
    assert delays_ms(moves, heard) == pytest.approx([30.0, 50.0])


def test_a_move_that_a_worker_never_heard_of_is_no_figure() -> None:
    with pytest.raises(KeyError):
        delays_ms([Written("user:1", 10.0, 10.001)], [{"user:1": 10.01}, {}])


def test_edges_are_compared_within_each_round() -> None:
    def measured(label: str, *cpu_us: float) -> table.Measured:
        row = Row(label, label, label, Algorithm.HS256, lambda *_: pytest.fail("not started here"), "")
        return table.Measured(row, tuple(table.Sample(cpu, 10_000.0, 0.9, 0) for cpu in cpu_us))

    ratio = figures(measured("embedded", 30.0, 40.0, 50.0), measured("servers", 30.3, 41.6, 51.0))[-1]
    assert ratio.value == pytest.approx(1.02)
    assert ratio.met
    assert ratio.note == "1.015 to 1.030 in the middle half of 3 rounds"


def test_a_run_is_kept_with_its_surroundings_and_the_command_of_each_row(tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.name == "redis")
    path = keep([Measured(row, [Figure("keys", 1.0, "keys/s", 2.0)])], AROUND, tmp_path)
    assert path.name == "lookup-20261121T120000.json"
    kept = json.loads(path.read_text())
    assert kept["surroundings"]["commit"] == "abc"
    assert kept["rows"]["redis"]["command"] == "python -m bench.lookup redis"
    assert kept["rows"]["redis"]["figures"][0]["target"] == 2.0


@pytest.mark.slow
def test_the_chart_has_a_bar_for_each_figure_with_a_target(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    row = next(row for row in ROWS if row.name == "redis")
    shown = [Figure("keys", 1.0, "keys/s", 2.0), Figure("p99", 1.0, "ms", 5.0), Figure("p50", 1.0, "ms")]
    draw([Measured(row, shown)], AROUND, tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text()
    assert "redis: keys" in drawn
    assert "redis: p99" in drawn
    assert "redis: p50" not in drawn


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
