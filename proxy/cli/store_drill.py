"""homecell store drill: restores a backup into a scratch store; says how long that took and what it lacks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import CommandError, config_option, json_option, load_settings, say_json
from proxy.cli.key_progress import key_progress
from proxy.cli.store_backup import BACKUP_FILE, backup_errors, quick_total
from proxy.cli.tables import show_table, span

if TYPE_CHECKING:
    from lookup.backup_drill import Lost
    from lookup.database import Database
    from lookup.stores.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Drill:
    """How the restore went: seconds for checking the file and for writing, and how old the backup is."""

    records: int
    verify_s: float
    write_s: float
    age_s: float

    @property
    def recovery_s(self) -> float:
        """From the beginning to a store that can be used."""
        return self.verify_s + self.write_s


@click.command("drill")
@config_option
@click.argument("file", type=BACKUP_FILE)
@click.option(
    "--scratch",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder for the scratch store, which needs about 100 bytes for each key.  [default: FILE's folder]",
)
@json_option
def drill(config_file: Path | None, file: Path, scratch: Path | None, as_json: bool) -> None:
    """Practise a restore, and say what would be lost with this backup.

    The backup is restored into an embedded store of its own, which is thrown away
    afterwards, and is then compared with the live store, which is only read.

    \b
    Examples:
      homecell store drill home.backup
      homecell store drill home.backup --json | jq .recovery_s

    \b
    Exit codes:
      0  the backup can be restored
      1  it cannot: it is not sound
      3  the store cannot be reached, so nobody knows what would be lost
    """
    from lookup.stores.sqlite import SqliteStore
    from proxy.cli.store import reaching, with_database

    settings = load_settings(config_file)
    with _scratch_folder(scratch or file.parent) as folder, backup_errors():

        async def rehearse() -> Drill:
            store = await SqliteStore.open(Path(folder) / "scratch.sqlite", create=True)
            try:
                return await _restore(store, file, as_json)
            finally:
                await store.close()

        async def compare(live: Database) -> Lost:
            store = await SqliteStore.open(Path(folder) / "scratch.sqlite")
            try:
                return await _compare(live, store, await quick_total(settings, live), as_json)
            finally:
                await store.close()

        drilled = reaching(rehearse())
        if not as_json:
            _show(drilled)
        lost = with_database(settings, compare)
    if as_json:
        say_json({**asdict(drilled), "recovery_s": drilled.recovery_s, "lost": _document(lost)})
    else:
        _show_lost(lost)


@contextmanager
def _scratch_folder(parent: Path) -> Iterator[str]:
    try:
        made = tempfile.TemporaryDirectory(prefix="drill-", dir=parent)
    except OSError as error:
        mend = "name a folder that may be written to: --scratch DIR"
        raise CommandError(f"{parent}: no scratch store can be made there: {error.strerror}", mend) from error
    with made as folder:
        yield folder


async def _restore(store: SqliteStore, file: Path, quiet: bool) -> Drill:
    from lookup.backup_reader import BackupReader
    from lookup.backup_restore import plan_restore, restore

    begun_s = time.monotonic()
    with BackupReader(file) as reader:
        with key_progress("verify", None, quiet) as progress:
            plan = await plan_restore(store, reader, progress)
        verified_s = time.monotonic()
        with key_progress("restore", plan.records, quiet) as progress:
            await restore(store, reader, plan, time.time, progress)
    age_s = max(0.0, time.time() - reader.header.begun_at_s)
    return Drill(plan.records, verified_s - begun_s, time.monotonic() - verified_s, age_s)


async def _compare(live: Database, scratch: SqliteStore, total: int | None, quiet: bool) -> Lost:
    from lookup.backup_drill import what_is_lost

    with key_progress("compare", total, quiet) as progress:
        return await what_is_lost(live, scratch, progress)


def _document(lost: Lost) -> dict[str, object]:
    return {
        "live": lost.live,
        "placed": dict(lost.placed),
        "changed": dict(lost.changed),
        "flags": lost.flags,
        "aliases_named": lost.named,
        "aliases_changed": lost.renamed,
    }


def _show(drilled: Drill) -> None:
    per_s = drilled.records / drilled.recovery_s
    click.echo(
        f"recovery time: {drilled.recovery_s:.1f} s for {drilled.records:,} homes ({per_s:,.0f} keys/s), "
        f"{drilled.verify_s:.1f} s to check the file and {drilled.write_s:.1f} s to write"
    )
    click.echo(f"the backup was begun {span(drilled.age_s)} ago")


def _show_lost(lost: Lost) -> None:
    click.echo(f"compared with {lost.live:,} homes of the live store; with this backup would be lost:")
    show_table(
        ("CELL", "PLACED SINCE", "MOVED SINCE"),
        [
            ("all", f"{lost.placed.total():,}", f"{lost.changed.total():,}"),
            *(
                (cell, f"{lost.placed[cell]:,}", f"{lost.changed[cell]:,}")
                for cell in sorted(lost.placed.keys() | lost.changed.keys())
            ),
        ],
    )
    if lost.named or lost.renamed:
        click.echo(f"aliases: {lost.named:,} named since, {lost.renamed:,} changed since")
    if lost.flags:
        click.echo(f"flags changed since: {', '.join(lost.flags)}")
