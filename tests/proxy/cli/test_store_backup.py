"""homecell store backup, verify, restore and drill."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from lookup.assignment import Alias, Assignment
from lookup.backup_file import BackupWriter
from lookup.backup_format import Header
from lookup.flags import Flag
from lookup.leases import Lease
from lookup.stores.sqlite import SqliteStore
from proxy.cli.key_progress import LinePrinter
from tests.proxy.cli.conftest import HOMES, Homecell
from tests.proxy.config.site import Site

T = TypeVar("T")


def on_store(site: Site, work: Callable[[SqliteStore], Awaitable[T]]) -> T:
    async def run() -> T:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def move_on(site: Site, key: str, cell: str, epoch: int) -> None:
    moved = Assignment(key, cell, "eu", epoch, updated_at_s=1_800_000_000.0)
    on_store(site, lambda store: store.compare_and_set(moved, epoch - 1))


def start_empty(site: Site, homecell: Homecell) -> None:
    for file in site.folder.glob("home.sqlite*"):
        file.unlink()
    assert homecell("store", "init").exit_code == 0


@pytest.fixture
def backup(homecell: Homecell, site: Site) -> Path:
    """A backup of the site's four homes, an alias and a flag."""

    async def add(store: SqliteStore) -> None:
        await store.set_alias(Alias("email:a@b.example", "user:1", 1, 1_700_000_000.0), -1)
        await store.set_flag("us-1", Flag.DOWN, reason="disk full", author="ann", now_s=1_700_000_000.0)

    on_store(site, add)
    result = homecell("store", "backup", "home.backup")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("4 homes (1 of them being moved), 1 alias, 1 flag in ")
    return site.folder / "home.backup"


def test_a_sound_backup_is_told_of_with_its_cells_and_checksum(homecell: Homecell, backup: Path) -> None:
    result = homecell("store", "verify", str(backup))
    assert result.exit_code == 0
    assert f"{backup} is sound: 4 homes (1 of them being moved), 1 alias, 1 flag" in result.stdout
    told = json.loads(homecell("store", "verify", str(backup), "--json").stdout)
    assert told["users"] == {"eu-1": 2, "old-1": 1, "us-1": 1}
    assert f"checksum {told['checksum']}" in result.stdout
    again = json.loads(homecell("store", "backup", "again.backup", "--json").stdout)
    assert (again["records"], again["bytes"]) == (4, (backup.parent / "again.backup").stat().st_size)


def test_a_damaged_backup_is_refused_with_the_place(homecell: Homecell, backup: Path, site: Site) -> None:
    content = bytearray(backup.read_bytes())
    content[-20] ^= 1
    backup.write_bytes(content)
    for command in ("verify", "restore", "drill"):
        result = homecell("store", command, str(backup))
        assert result.exit_code == 1
        assert f"{backup}: block 5 at byte " in result.stderr
        assert "its checksum is wrong\n       use another backup" in result.stderr
    assert list(site.folder.glob("drill-*")) == []


def test_a_lost_store_is_restored(homecell: Homecell, backup: Path, site: Site) -> None:
    start_empty(site, homecell)
    dry = homecell("store", "restore", str(backup), "--dry-run")
    assert dry.exit_code == 0
    assert [" ".join(line.split()) for line in dry.stdout.splitlines()] == [
        "IN THE BACKUP COUNT",
        "homes that the store lacks 4",
        "users being moved, to be back where they came from 1",
        "aliases that the store lacks or has older 1",
        "flags that the store lacks or has older 1",
        "a dry run: nothing was written",
    ]
    assert homecell("users", "show", "user:1").exit_code == 1
    done = homecell("store", "restore", str(backup))
    assert done.exit_code == 0
    assert "restored in " in done.stdout
    found = on_store(site, lambda store: store.read(["user:1", "user:2", "user:3", "email:a@b.example"]))
    assert (found["user:1"].cell, found["user:2"].epoch) == ("eu-1", HOMES[1].epoch)
    assert (found["user:3"].cell, found["user:3"].epoch, found["user:3"].moved_to) == ("eu-1", 6, "")
    assert found["email:a@b.example"].key == "user:1"
    cells = json.loads(homecell("cells", "list", "--json").stdout)
    assert {cell["name"]: (cell["flag"], cell["users"]) for cell in cells} == {
        "eu-1": ("serving", 2),
        "us-1": ("down", 1),
    }


def test_a_store_that_knows_newer_homes_is_left_alone_unless_told_to_keep_them(
    homecell: Homecell, backup: Path, site: Site
) -> None:
    start_empty(site, homecell)
    on_store(site, lambda store: store.load([Assignment("user:1", "us-1", "eu", 9, updated_at_s=1.0)]))
    refused = homecell("store", "restore", str(backup))
    assert refused.exit_code == 1
    assert (
        "the store knows 1 home newer than the backup does: user:1 (us-1 at epoch 9, not eu-1 at 1)\n"
        in refused.stderr
    )
    assert on_store(site, lambda store: store.read(["user:2"])) == {}
    told = json.loads(homecell("store", "restore", str(backup), "--dry-run", "--json").stdout)
    assert (told["new"], told["backward"], told["written"]) == (3, 1, 0)
    assert told["first_backward"][0]["key"] == "user:1"
    kept = homecell("store", "restore", str(backup), "--keep-newer")
    assert kept.exit_code == 0
    found = on_store(site, lambda store: store.read(["user:1", "user:2"]))
    assert (found["user:1"].epoch, found["user:2"].cell) == (9, "us-1")
    assert "\nrestored in " in kept.stdout
    again = homecell("store", "restore", str(backup), "--keep-newer")
    assert again.exit_code == 0
    assert again.stdout.endswith("nothing to restore: the store has all of it, or newer\n")


def test_nobody_gets_another_cell_while_an_edge_runs(homecell: Homecell, backup: Path, site: Site) -> None:
    start_empty(site, homecell)
    on_store(site, lambda store: store.load([Assignment("user:2", "eu-1", "us", 1, updated_at_s=1.0)]))

    async def run_an_edge(store: SqliteStore) -> None:
        position = await store.position()
        await store.renew_lease(Lease("edge-1/0", 1, position, frozenset(), time.time() + 3, 30.0))

    on_store(site, run_an_edge)
    for further in ((), ("--dry-run",)):
        refused = homecell("store", "restore", str(backup), *further)
        assert refused.exit_code == 1
        assert (
            "1 user would get another cell while workers may write to the one they have: "
            "user:2 (eu-1 at epoch 1, not us-1 at 3); 1 such worker: edge-1/0\n       stop all edges"
        ) in refused.stderr
    assert list(on_store(site, lambda store: store.read(["user:1", "user:2"]))) == ["user:2"]
    told = json.loads(homecell("store", "restore", str(backup), "--json").stdout)
    assert (told["rehomed"], told["written"], told["first_rehomed"][0]["key"]) == (1, 0, "user:2")
    on_store(site, lambda store: store.end_lease("edge-1/0"))
    done = homecell("store", "restore", str(backup))
    assert done.exit_code == 0, done.output
    assert on_store(site, lambda store: store.read(["user:2"]))["user:2"].cell == "us-1"


def test_users_who_are_not_as_restored_in_the_end_are_listed(
    homecell: Homecell, backup: Path, site: Site
) -> None:
    """An edge that places a user after the comparing, and a store that loses a write."""
    start_empty(site, homecell)
    with closing(sqlite3.connect(site.folder / "home.sqlite")) as connection, connection:
        connection.execute(
            "CREATE TRIGGER quicker BEFORE INSERT ON home WHEN NEW.key = 'user:1' AND NEW.cell = 'eu-1' "
            "BEGIN INSERT INTO home VALUES ('user:1', 'us-1', 'eu', 1, 0, '', 1.0); END"
        )
        connection.execute(
            "CREATE TRIGGER lost BEFORE INSERT ON home WHEN NEW.key = 'user:4' "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
    result = homecell("store", "restore", str(backup))
    assert result.exit_code == 1
    assert "homes that the store lacks" in result.stdout
    assert (
        "the store does not hold all that was to be restored: 1 that it lacks; "
        "1 that it has newer or otherwise: user:1 (us-1 at epoch 1, not eu-1 at 1)\n"
    ) in result.stderr
    assert on_store(site, lambda store: store.read(["user:2"]))["user:2"].cell == "us-1"


HASHING = ("lookup:\n", "lookup:\n  key_hash: {secret_file: hash.secret}\n")


def test_a_store_of_hashed_keys_takes_only_backups_of_such_keys(
    homecell: Homecell, backup: Path, site: Site
) -> None:
    secret = site.folder / "hash.secret"
    secret.write_text("Zq7n0Vb4LxK2mR9sTfWc6Yd1HgPj8AuE3oIkN5yQ")
    secret.chmod(0o600)
    site.spoil(HASHING)
    start_empty(site, homecell)
    refused = homecell("store", "restore", str(backup))
    assert refused.exit_code == 1
    assert "the backup's keys are not hashed like those of the store" in refused.stderr
    assert on_store(site, lambda store: store.count_by_cell()) == {}
    homecell("users", "place", "user:7", "--cell", "eu-1")
    assert homecell("store", "backup", "hashed.backup").exit_code == 0
    assert homecell("store", "drill", "hashed.backup").exit_code == 0
    start_empty(site, homecell)
    done = homecell("store", "restore", "hashed.backup")
    assert done.exit_code == 0, done.output
    assert homecell("users", "show", "user:7").exit_code == 0
    secret.write_text("b8Xw1Ue6RjM4kPz0GvLs9TnCq3YfHd7AoKi2E5xN")
    start_empty(site, homecell)
    other = homecell("store", "restore", "hashed.backup")
    assert other.exit_code == 1
    assert "hashed with another secret" in other.stderr


def test_a_drill_tells_how_long_it_takes_and_what_would_be_lost(
    homecell: Homecell, backup: Path, site: Site
) -> None:
    move_on(site, "user:1", "us-1", 2)
    homecell("users", "place", "user:9", "--cell", "eu-1")
    on_store(site, lambda store: store.set_alias(Alias("email:a@b.example", "user:2", 2, 1_700_000_001.0), 1))
    before = on_store(site, lambda store: store.count_by_cell())
    result = homecell("store", "drill", str(backup))
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("recovery time: ")
    assert " for 4 homes (" in lines[0]
    assert lines[2:] == [
        "compared with 5 homes of the live store; with this backup would be lost:",
        "CELL PLACED SINCE MOVED SINCE",
        "all 1 1",
        "eu-1 1 0",
        "us-1 0 1",
        "aliases: 0 named since, 1 changed since",
    ]
    told = json.loads(homecell("store", "drill", str(backup), "--json").stdout)
    assert told["recovery_s"] >= told["write_s"] > 0
    assert told["lost"]["changed"] == {"us-1": 1}
    assert (told["lost"]["aliases_named"], told["lost"]["aliases_changed"]) == (0, 1)
    assert on_store(site, lambda store: store.count_by_cell()) == before
    assert list(site.folder.glob("drill-*")) == []


def test_aliases_that_name_nobody_are_told_and_all_else_is_restored(homecell: Homecell, site: Site) -> None:
    """Whoever was placed and named while the backup was taken may be missing there, and have an alias."""
    with BackupWriter(site.folder / "live.backup") as writer:
        writer.begin(Header(1_700_000_000.0, "", 0))
        writer.flags([])
        writer.records([Assignment("user:77", "eu-1", "eu", 1, updated_at_s=1_700_000_000.0)])
        writer.aliases([Alias("email:late@b.example", "user:78", 1, 1_700_000_000.0)])
        writer.finish(1_700_000_001.0)
    start_empty(site, homecell)
    result = homecell("store", "restore", "live.backup")
    assert result.exit_code == 1
    assert "1 alias is not: email:late@b.example (for user:78)" in result.stderr
    assert list(on_store(site, lambda store: store.read(["user:77"]))) == ["user:77"]
    told = json.loads(homecell("store", "restore", "live.backup", "--json").stdout)
    assert told["refused_aliases"] == 1


def test_users_in_cells_that_are_not_listed_are_warned_of(homecell: Homecell, site: Site) -> None:
    with BackupWriter(site.folder / "other.backup") as writer:
        writer.begin(Header(1_700_000_000.0, "", 0))
        writer.flags([])
        writer.records([Assignment("user:77", "eu-99", "eu", 1, updated_at_s=1_700_000_000.0)])
        writer.finish(1_700_000_001.0)
    start_empty(site, homecell)
    for options in (["--dry-run"], []):
        result = homecell("store", "restore", "other.backup", *options)
        assert result.exit_code == 0
        assert "1 user of the backup lives in eu-99, which the cells file does not list" in result.stderr


@pytest.mark.usefixtures("backup")
@pytest.mark.parametrize("arguments", [("nowhere/x.backup",), ("home.backup", "--scratch", "/proc")])
def test_a_drill_that_has_no_place_for_its_store_says_so(
    homecell: Homecell, arguments: tuple[str, ...]
) -> None:
    result = homecell("store", "drill", *arguments)
    assert result.exit_code == 1
    assert "no scratch store can be made there" in result.stderr


def test_a_drill_without_the_live_store_tells_the_recovery_time_all_the_same(
    homecell: Homecell, backup: Path, site: Site
) -> None:
    (site.folder / "home.sqlite").unlink()
    result = homecell("store", "drill", str(backup))
    assert result.exit_code == 3
    assert result.stdout.startswith("recovery time: ")
    assert "no such store" in result.stderr


def test_progress_is_a_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    printer = LinePrinter("backup", 4000, lambda: next(times))
    for done in (100, 600, 700, 3600):
        printer.show(done)
    assert capsys.readouterr().err == (
        "backup: 600 of 4,000 keys after 6 s, 100/s\nbackup: 3,600 of 4,000 keys after 12 s, 500/s\n"
    )
