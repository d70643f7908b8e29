"""Whose CPU time it was."""

from __future__ import annotations

import os

import pytest

from bench.lookup import load
from bench.lookup.load import Reading, busy_and_stolen_s, figures
from bench.peers.proc import TICKS_PER_S


def test_idle_time_and_waiting_for_disks_are_not_busy_and_guests_count_once() -> None:
    stat = "cpu  100 1 20 5000 300 0 4 2 77 77\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    busy_s, _ = busy_and_stolen_s(stat)
    assert busy_s == pytest.approx((100 + 1 + 20 + 4) / TICKS_PER_S)


def test_what_the_host_kept_from_the_machine_is_nobodys_work() -> None:
    stat = "cpu  100 1 20 5000 300 0 4 2 77 77\n"
    assert busy_and_stolen_s(stat)[1] == pytest.approx(2 / TICKS_PER_S)


def test_what_neither_servers_nor_resolvers_used_was_used_by_others() -> None:
    before = Reading(10.0, {"Redis": 1.0}, 2.0, 100.0, 7.0)
    after = Reading(14.0, {"Redis": 2.0}, 3.0, 106.0, 7.2)
    found = {figure.name: figure.value for figure in figures(before, after, alike=2)}
    assert found == {
        "CPU of the resolvers": 50,
        "CPU of Redis": 25,
        "CPU of everything else on the machine": 75,
        "CPU that the machine's host gave to others": 5,
    }


def test_the_clock_of_a_running_process_goes_on() -> None:
    pids = {"Redis": os.getpid()}
    before = load.read(pids)
    while load.read(pids).own_s < before.own_s + 0.05:
        pass
    after = load.read(pids)
    assert after.servers_s["Redis"] >= before.servers_s["Redis"] + 0.04
    assert after.machine_s > before.machine_s
