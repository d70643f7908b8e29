"""homecell store: made, brought up to date, told of; on the embedded store."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from lookup.moves import MoveOrder
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_file import SCHEMA_VERSION
from tests.proxy.cli.conftest import HOMES, Homecell
from tests.proxy.cli.test_store_backup import on_store
from tests.proxy.config.site import Site


def test_init_makes_the_store_that_is_missing_and_leaves_one_that_is_there(
    homecell: Homecell, site: Site
) -> None:
    before = homecell("store", "status", "--count", "--json").stdout
    again = homecell("store", "init")
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout == f"{site.folder}/home.sqlite is there already (schema version {SCHEMA_VERSION})\n"
    assert homecell("store", "status", "--count", "--json").stdout == before
    site.spoil(("path: home.sqlite", "path: new.sqlite"))
    made = homecell("store", "init")
    assert made.stdout == f"{site.folder}/new.sqlite is made (schema version {SCHEMA_VERSION})\n"
    assert homecell("store", "status").exit_code == 0


def test_status_tells_version_feed_and_on_demand_the_users_of_each_cell(homecell: Homecell) -> None:
    told = homecell("store", "status", "--count")
    assert (told.exit_code, told.stderr) == (0, "")
    for part in ("store ", "schema ", "feed ", "waiting  nothing", "eu-1   2", "old-1  1", "us-1   1"):
        assert part in told.stdout
    document = json.loads(homecell("store", "status", "--json").stdout)
    assert document["ok"] is True
    assert document["schema"] == {"found": SCHEMA_VERSION, "known": SCHEMA_VERSION, "trouble": ""}
    assert (document["feed"]["event"], document["feed"]["lag_s"]) == (0, 0.0)
    assert (document["redis"], document["keys"]) == (None, None)


def test_a_store_that_is_not_there_is_told_with_the_command_that_makes_it(
    homecell: Homecell, site: Site
) -> None:
    (site.folder / "home.sqlite").unlink()
    told = homecell("store", "status")
    assert told.exit_code == 3
    assert "home.sqlite: not made yet\nschema  none yet" in told.stdout
    assert len(told.stderr.splitlines()) == 1
    assert "home.sqlite holds no store yet: homecell store init" in told.stderr
    named = homecell("store", "status", "--config", "edge.yaml")
    assert "home.sqlite holds no store yet: homecell store init --config edge.yaml\n" in named.stderr
    for command in (["users", "show", "user:1"], ["cells", "list"], ["explain", "user:1"]):
        shown = homecell(*command, "--config", "edge.yaml")
        assert "homecell store init --config edge.yaml makes one" in shown.stderr
        assert "homecell store init makes one" in homecell(*command).stderr
    refused = homecell("store", "migrate")
    assert refused.exit_code == 2
    assert "homecell store init" in refused.stderr
    assert not (site.folder / "home.sqlite").exists()


def test_migrate_brings_an_older_store_up_to_date_and_status_names_it_before(
    homecell: Homecell, site: Site
) -> None:
    with closing(sqlite3.connect(site.folder / "home.sqlite")) as connection:
        for table in ("past", "move", "lease", "lease_floor"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    said = homecell("store", "migrate").stdout
    assert said == (
        f"{site.folder}/home.sqlite was brought from schema version 1 (schema version {SCHEMA_VERSION})\n"
    )
    assert f"is up to date (schema version {SCHEMA_VERSION})" in homecell("store", "migrate").stdout
    assert homecell("store", "status").exit_code == 0


@pytest.mark.parametrize("action", ["init", "migrate", "status"])
def test_a_file_of_another_program_is_refused_and_left_as_it_is(
    homecell: Homecell, site: Site, action: str
) -> None:
    file = site.folder / "home.sqlite"
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (x)")
    before = file.read_bytes()
    refused = homecell("store", action)
    assert refused.exit_code == 3
    assert "no Home Cell store" in refused.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("action", ["init", "migrate"])
def test_a_lookup_service_is_no_database_to_make(homecell: Homecell, site: Site, action: str) -> None:
    remote = '{kind: remote, url: "http://127.0.0.1:1", token_file: keys/cookie-1.secret}'
    site.spoil(("{kind: sqlite, path: home.sqlite}", remote))
    refused = homecell("store", action)
    assert refused.exit_code == 2
    assert "run it where the database is" in refused.stderr
    assert homecell("store", "status").exit_code == 3


def test_migrate_puts_right_what_an_older_program_or_a_wrong_clock_left_wrong(
    homecell: Homecell, site: Site
) -> None:
    with closing(sqlite3.connect(site.folder / "home.sqlite")) as connection, connection:
        connection.execute("UPDATE home SET cell = 'eu-1' WHERE key = 'user:4'")
        connection.execute("UPDATE feed_head SET covers_since_s = 9e9")
    assert "old-1  1" in homecell("store", "status", "--count").stdout
    place = f"{site.folder}/home.sqlite is up to date (schema version {SCHEMA_VERSION})"
    mended = homecell("store", "migrate").stdout.splitlines()
    assert mended == [
        place,
        "mended: 2 users were counted in eu-1, where 3 live",
        "mended: 1 users were counted in old-1, where 0 live",
        "mended: the feed's history began at a time that is yet to come",
    ]
    assert "old-1" not in homecell("store", "status", "--count").stdout
    assert homecell("store", "migrate").stdout.splitlines() == [place]


def test_status_tells_of_moves_that_nobody_carries_out(homecell: Homecell, site: Site) -> None:
    assert "\nmoves" not in homecell("store", "status").stdout

    async def leave_a_move(store: SqliteStore) -> None:
        order = MoveOrder("stranded", "user:2", "eu-1")
        await store.note_move(order, HOMES[1], time.time() - 3600)

    on_store(site, leave_a_move)
    told = homecell("store", "status", "--config", "edge.yaml")
    assert told.exit_code == 0
    assert (
        "moves    1 stands still, without a driver: homecell moves list --config edge.yaml\n" in told.stdout
    )
    assert json.loads(homecell("store", "status", "--json").stdout)["moves_without_driver"] == 1
