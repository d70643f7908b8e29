"""Which rows, which goals, which cores, which Python: the bench's small decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.peers import ratio, wrk
from bench.peers.cores import parse_list, pick
from bench.peers.machine import processor
from bench.peers.pythons import PythonBuild, distinct, is_optimised
from bench.peers.rows import catalogue, choose
from bench.peers.table import Measured, Sample

INTERPRETED = PythonBuild(
    Path("/a/bin/python"), None, "interpreted", "3.11.2", compiled=False, optimised=True
)
COMPILED = PythonBuild(Path("/b/bin/python"), None, "compiled", "3.11.2", compiled=True, optimised=True)


def test_a_word_chooses_the_rows_that_begin_with_it() -> None:
    keys = [row.key for row in choose(catalogue([INTERPRETED]), ["homecell", "haproxy-es"])]
    assert keys == [
        "haproxy-es256",
        "homecell-interpreted-hs256",
        "homecell-interpreted-rs256",
        "homecell-interpreted-es256",
    ]


def test_a_word_that_fits_nothing_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"'apache'.*haproxy-hs256"):
        choose(catalogue([]), ["nginx", "apache"])


def _measured(build: PythonBuild, key: str, cpu_us: float) -> Measured:
    row = next(row for row in catalogue([build]) if row.key == key)
    return Measured(row, (Sample(cpu_us, 1.0, 1.0, 0),))


@pytest.mark.parametrize(("build", "bound"), [(INTERPRETED, 0.65), (COMPILED, 0.5)])
def test_rows_are_compared_with_peers_of_the_same_token_and_with_the_goal_of_their_kind(
    build: PythonBuild, bound: float
) -> None:
    ours = _measured(build, f"homecell-{build.name}-rs256", 30.0)
    peers = [_measured(build, "haproxy-hs256", 20.0), _measured(build, "haproxy-rs256", 50.0)]
    (found,) = ratio.compare([*peers, ours])
    assert (found.theirs, found.goal) == ("haproxy-rs256", bound)
    assert found.spread.median == pytest.approx(0.6)


def test_two_alike_builds_get_names_of_their_own() -> None:
    names = [build.name for build in distinct([INTERPRETED, COMPILED, INTERPRETED, INTERPRETED])]
    assert names == ["interpreted", "compiled", "interpreted-3.11.2", "interpreted-3.11.2-2"]


@pytest.mark.parametrize(
    ("config_args", "base_prefix", "dpkg_built", "optimised"),
    [
        ("'--prefix=/usr/local' '--enable-optimizations'", "/usr/local", False, True),
        ("'--prefix=/usr' '--enable-shared'", "/usr", True, True),
        ("'--prefix=/opt/own' '--enable-shared'", "/opt/own", True, False),
        ("", "/usr", False, False),
    ],
)
def test_an_optimised_python_is_known_by_its_configure_option_or_by_debians_package(
    config_args: str, base_prefix: str, dpkg_built: bool, optimised: bool
) -> None:
    assert is_optimised(config_args, base_prefix, dpkg_built) is optimised


def test_load_and_proxy_do_not_share_a_physical_core_when_there_are_two() -> None:
    siblings = {0: {0, 1}, 1: {0, 1}, 2: {2, 3}, 3: {2, 3}}
    assert pick({0, 1, 2, 3}, siblings) == (0, 2)
    assert pick({0, 1}, siblings) == (0, 1)
    assert pick({3}, siblings) is None
    assert parse_list("0-2,8\n") == {0, 1, 2, 8}


def test_the_processor_is_named_also_where_cpuinfo_does_not() -> None:
    assert processor("processor\t: 0\nmodel name\t: Fast 9000: Pro\n") == "Fast 9000: Pro"
    assert processor("processor\t: 0\nCPU part\t: 0xd0c\n")


def test_the_summary_is_found_in_what_wrk_prints() -> None:
    line = 'bench-wrk {"replies": 10, "duration_s": 2.000000, "not_2xx": 1, "broken": 2}'
    assert wrk.parse(f"Running 2s test\n{line}\n") == wrk.Load(10, 2.0, 1, 2)
    assert wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n") is None
