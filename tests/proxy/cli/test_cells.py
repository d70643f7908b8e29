"""homecell cells: the list, and flags that are stored and acknowledged."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from lookup.flags import Flag, FlagRecord
from lookup.stores.sqlite import SqliteStore
from proxy.cli.cells import cell_row
from proxy.model import Cell, CellName, Endpoint, Jurisdiction
from tests.proxy.cli.admin import admin_port, worker
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

CELL = Cell(CellName("eu-1"), Jurisdiction("eu"), "eu-west", (Endpoint("::1", 81),), 0)


def stored_flags(site: Site) -> dict[str, FlagRecord]:
    async def read() -> dict[str, FlagRecord]:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        try:
            return dict(await store.flags())
        finally:
            await store.close()

    return asyncio.run(read())


def test_the_list_shows_each_cell_with_its_users(homecell: Homecell) -> None:
    result = homecell("cells", "list")
    assert result.exit_code == 0
    head, first, second = (" ".join(line.split()) for line in result.stdout.splitlines())
    assert head == "NAME JURISDICTION REGION ENDPOINTS FLAG USERS SHARE CAPACITY SINCE UNTIL AUTHOR REASON"
    assert first == "eu-1 eu eu-west 127.0.0.1:8101 serving 2 50.0% - - - - -"
    assert second == "us-1 us us-east 127.0.0.1:8102,cell.example:8102 serving 1 25.0% - - - - -"


def test_users_of_a_cell_that_is_not_listed_are_warned_of(homecell: Homecell, site: Site) -> None:
    result = homecell("cells", "list")
    assert result.stderr == f"warning: 1 user lives in `old-1`, which is not in {site.cells}\n"


def test_a_cell_at_its_capacity_is_warned_of(homecell: Homecell, site: Site) -> None:
    site.spoil(("    region: eu-west\n", "    region: eu-west\n    capacity: 2\n"))
    result = homecell("cells", "list")
    assert "warning: eu-1 has 2 users, its capacity is 2" in result.stderr.splitlines()
    assert "serving  2      50.0%  2" in result.stdout


def test_a_flag_is_stored_with_who_why_and_until_when(homecell: Homecell, site: Site) -> None:
    before_s = time.time()
    homecell(
        "cells", "flag", "eu-1", "down", "--reason", "disk full", "--author", "anna", "--expires-in", "2h"
    )
    record = stored_flags(site)["eu-1"]
    assert (record.flag, record.reason, record.author, record.version) == (Flag.DOWN, "disk full", "anna", 1)
    assert before_s <= record.set_at_s <= time.time()
    assert record.expires_at_s == record.set_at_s + 7200


def test_a_flag_is_listed_and_taken_back(homecell: Homecell, site: Site) -> None:
    homecell("cells", "flag", "us-1", "down", "--reason", "upgrade", "--author", "anna")
    (row,) = [row for row in json.loads(homecell("cells", "list", "--json").stdout) if row["name"] == "us-1"]
    assert (row["flag"], row["reason"], row["author"], row["version"]) == ("down", "upgrade", "anna", 1)
    homecell("cells", "flag", "us-1", "serving")
    assert stored_flags(site)["us-1"].flag is Flag.SERVING
    assert stored_flags(site)["us-1"].version == 2


def test_the_author_is_who_is_logged_in_unless_named(homecell: Homecell, site: Site) -> None:
    homecell("cells", "flag", "us-1", "serving")
    assert stored_flags(site)["us-1"].author != ""


def test_an_expired_flag_is_shown_as_serving_since_its_end() -> None:
    record = FlagRecord("eu-1", Flag.DOWN, 4, "upgrade", "anna", 100.0, 200.0)
    row = cell_row(CELL, record, 7, 70, 300.0)
    assert (row.flag, row.reason, row.since_s, row.expires_at_s) == (
        "serving",
        "down expired: upgrade",
        200.0,
        None,
    )
    standing = cell_row(CELL, record, 7, 70, 199.0)
    assert (standing.flag, standing.since_s, standing.expires_at_s) == ("down", 100.0, 200.0)
    assert standing.share == 0.1
    assert standing.endpoints == ["[::1]:81"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["eu-2", "down", "--reason", "x"],
            "there is no cell `eu-2` in FOLDER/cells.yaml\n       known: eu-1, us-1",
        ),
        (["eu-1", "down"], 'taking a cell down needs a reason\n       add e.g. --reason "disk full"'),
        (["eu-1", "down", "--reason", " "], "taking a cell down needs a reason"),
        (["eu-1", "serving", "--expires-in", "2h"], "serving needs no expiry"),
        (["eu-1", "down", "--reason", "a\nb"], "--reason is too long or has control characters"),
        (["eu-1", "down", "--reason", "x", "--author", "\x1b[31m"], "--author is too long or has control"),
        (
            ["eu-1", "down", "--reason", "x", "--expires-in", "soon"],
            "'soon' is no duration; write e.g. 90s, 15m",
        ),
        (["eu-1", "dwn", "--reason", "x"], "'dwn' is not one of 'serving', 'down'."),
    ],
)
def test_a_wrong_flag_is_refused_and_nothing_is_stored(
    homecell: Homecell, site: Site, arguments: list[str], error: str
) -> None:
    result = homecell("cells", "flag", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error.replace("FOLDER", str(site.folder)) in result.stderr
    assert stored_flags(site) == {}


def whose(site: Site) -> dict[str, str]:
    """How the admin port of the config's edge names itself."""
    return {"edge": "edge-1", "store": str(site.folder / "home.sqlite")}


def test_the_command_waits_until_every_worker_applies_the_flag(homecell: Homecell, site: Site) -> None:
    now_ms = int(time.time() * 1000)
    some = {**whose(site), "workers": [worker(0, {"eu-1": 1}, now_ms), worker(1, {})]}
    both = {
        **whose(site),
        "workers": [worker(0, {"eu-1": 1}, now_ms), worker(1, {"eu-1": 1}, now_ms + 3_600_000)],
    }
    with admin_port(some, some, both) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        result = homecell("cells", "flag", "eu-1", "down", "--reason", "x", "--author", "anna")
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, last = result.stdout.splitlines()
    assert first == "eu-1 is flagged down, by anna (version 1)"
    assert second.startswith("applied on 2 of 2 workers of edge-1, slowest ")
    assert last == "to put it back: homecell cells flag eu-1 serving"


@pytest.mark.slow
def test_a_worker_that_does_not_follow_is_told_and_the_answer_is_no(homecell: Homecell, site: Site) -> None:
    lagging = {**whose(site), "workers": [worker(0, {"eu-1": 1}), worker(1, {"eu-1": 1}, ready=False)]}
    with admin_port(lagging) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        result = homecell("cells", "flag", "eu-1", "down", "--reason", "x", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["acknowledged"] == {"applied": 1, "workers": 2, "slowest_s": 0.0}
    assert (told["cell"], told["flag"], told["version"]) == ("eu-1", "down", 1)
    assert (
        f"within 2 s; who can't reach the store follows when it can, see http://127.0.0.1:{port}/-/ready"
        in (result.stderr)
    )


@pytest.mark.parametrize(
    ("other", "trouble"),
    [
        ({"edge": "edge-2"}, "the edge that answers there is `edge-2`"),
        (
            {"store": "/elsewhere.sqlite"},
            "follows another store, /elsewhere.sqlite; the flag is in FOLDER/home",
        ),
    ],
)
def test_the_word_of_another_edge_or_of_one_on_another_store_is_not_taken_for_the_edges(
    homecell: Homecell, site: Site, other: dict[str, str], trouble: str
) -> None:
    applied = {**whose(site), **other, "workers": [worker(0, {"eu-1": 1})]}
    with admin_port(applied) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        result = homecell("cells", "flag", "eu-1", "down", "--reason", "x")
    assert result.exit_code == 3
    assert "applied on" not in result.stdout
    assert trouble.replace("FOLDER", str(site.folder)) in result.stderr


def test_without_an_admin_port_the_flag_is_stored_and_the_doubt_is_told(
    homecell: Homecell, site: Site
) -> None:
    result = homecell("cells", "flag", "eu-1", "down", "--reason", "x", "--author", "anna")
    assert result.exit_code == 3
    assert result.stdout == (
        "eu-1 is flagged down, by anna (version 1)\nto put it back: homecell cells flag eu-1 serving\n"
    )
    assert result.stderr == (
        "Error: the flag is stored, but edge-1 could not be asked at 127.0.0.1:1: Connection refused\n"
        "       edges on that store follow it within a second; one that starts reads it\n"
    )
    assert stored_flags(site)["eu-1"].flag is Flag.DOWN


@pytest.mark.parametrize(
    ("answer", "status"), [(b"<html>", 200), ({"workers": 3}, 200), ({"workers": []}, 503)]
)
def test_another_server_on_the_admin_port_is_not_believed(
    homecell: Homecell, site: Site, answer: object, status: int
) -> None:
    with admin_port(answer, status=status) as port:
        site.spoil(('127.0.0.1:1"', f'127.0.0.1:{port}"'))
        result = homecell("cells", "flag", "eu-1", "down", "--reason", "x")
    assert result.exit_code == 3
    assert "could not be asked" in result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["flag", "eu-1", "down", "--reason", "x"]])
def test_a_store_that_is_not_there_is_named_with_the_mend(
    homecell: Homecell, site: Site, arguments: list[str]
) -> None:
    site.spoil(("path: home.sqlite", "path: none.sqlite"))
    result = homecell("cells", *arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"Error: {site.folder}/none.sqlite: no such store\n       ")


def test_a_store_that_is_no_database_is_named(homecell: Homecell, site: Site) -> None:
    (site.folder / "home.sqlite").write_text("not a database, and long enough to be looked at" * 20)
    result = homecell("cells", "list")
    assert result.exit_code == 3
    assert "Traceback" not in result.stderr
    assert "home.sqlite" in result.stderr
