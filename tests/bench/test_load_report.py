from __future__ import annotations

import json
from pathlib import Path

from bench.demo.tally import Verdict
from bench.load_report import LoadReport, quantile


def all_right() -> LoadReport:
    report = LoadReport(["eu-1", "eu-2"])
    report.taken_down = "eu-2"
    for latency_ms in range(1, 101):
        report.note("eu-1", Verdict.RIGHT, float(latency_ms), "")
    report.note("eu-2", Verdict.DEGRADED, 1.0, "")
    return report


def test_a_run_in_which_all_was_as_it_should_be_has_no_failures() -> None:
    assert all_right().failures() == []


def test_a_complaint_fails_the_run_and_is_counted() -> None:
    report = all_right()
    for _ in range(2):
        report.note("eu-1", Verdict.WRONG, 1.0, "wrong: 200 by eu-2")
    assert report.failures() == ["2 × eu-1: wrong: 200 by eu-2"]


def test_a_cell_that_nobody_visited_fails_the_run() -> None:
    report = LoadReport(["eu-1", "eu-2"])
    report.note("eu-2", Verdict.DEGRADED, 1.0, "")
    assert report.failures() == ["eu-1: no request was sent"]


def test_a_cell_taken_down_without_a_degraded_reply_fails_the_run() -> None:
    report = LoadReport(["eu-1"])
    report.taken_down = "eu-1"
    report.note("eu-1", Verdict.RIGHT, 1.0, "")
    assert report.failures() == ["eu-1: no degraded reply, although it was taken down"]


def test_the_table_has_a_line_for_each_cell_one_for_strangers_and_one_for_all() -> None:
    report = all_right()
    report.note_stranger(Verdict.RIGHT, 2.0, "")
    head, first, second, strangers, everything = report.table(seconds=10).splitlines()
    assert head.split()[:3] == ["cell", "requests", "req/s"]
    assert first.split() == ["eu-1", "100", "10.0", "51.0", "96.0", "100.0", "100.0", "0", "0", "0"]
    assert second.split() == ["eu-2", "1", "0.1", "1.0", "1.0", "1.0", "1.0", "1", "0", "0"]
    assert strangers.split() == ["strangers", "1", "0.1", "2.0", "2.0", "2.0", "2.0", "0", "0", "0"]
    assert everything.split()[:2] == ["all", "102"]


def test_a_stranger_who_is_not_told_so_fails_the_run() -> None:
    report = all_right()
    report.note_stranger(Verdict.ERROR, 2.0, "200 for an unknown user")
    assert report.failures() == ["1 × strangers: 200 for an unknown user"]


def test_the_same_is_written_for_scripts(tmp_path: Path) -> None:
    path = tmp_path / "load" / "by-cell.json"
    all_right().write(path, seconds=10)
    written = json.loads(path.read_text())
    assert written["cells"]["eu-1"]["requests"] == "100"
    assert written["strangers"]["requests"] == "0"
    assert written["failures"] == []


def test_a_quantile_of_nothing_is_zero() -> None:
    assert quantile([], 0.99) == 0.0
