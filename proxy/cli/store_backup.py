"""homecell store backup and verify: writes the mapping to a file, and says whether such a file is sound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import CommandError, config_option, json_option, load_settings, say_json
from proxy.cli.key_progress import key_progress
from proxy.cli.tables import moment, show_table

if TYPE_CHECKING:
    from lookup.backup_format import Summary
    from lookup.backup_reader import BackupReader
    from lookup.database import Database
    from proxy.config import Settings

BACKUP_FILE = click.Path(dir_okay=False, path_type=Path)


@contextmanager
def backup_errors() -> Iterator[None]:
    """Turn what is wrong with a backup file into the end of the command."""
    from lookup.backup_format import BackupError

    try:
        yield
    except BackupError as error:
        what, _, mend = str(error).partition("; ")
        raise CommandError(what, mend) from error


@click.command("backup")
@config_option
@click.argument("file", type=BACKUP_FILE)
@json_option
def back_up(config_file: Path | None, file: Path, as_json: bool) -> None:
    """Write all homes, aliases and flags to a file.

    The store is used meanwhile: a home that changes is in the file as it was or as
    it is, a user that is placed may be missing. A former file of that name stays
    until the new one is whole. The file names users: only its owner may read it.

    \b
    Examples:
      homecell store backup home.backup
      homecell store backup /backups/$(date +%F).backup --json | jq -r .checksum

    \b
    Exit codes:
      0  the backup is on the disk
      1  the file cannot be written; a former one is as it was
      3  the store cannot be reached
    """
    from lookup.backup import take_backup
    from proxy.cli.store import with_database

    settings = load_settings(config_file)
    begun_s = time.monotonic()

    async def run(store: Database) -> Summary:
        with key_progress("backup", await quick_total(settings, store), as_json) as progress:
            return await take_backup(store, file, time.time, progress)

    with backup_errors():
        summary = with_database(settings, run)
    took_s = time.monotonic() - begun_s
    if as_json:
        say_json({**asdict(summary), "took_s": took_s, "bytes": file.stat().st_size})
        return
    click.echo(f"{contents(summary)} in {took_s:.1f} s ({summary.records / took_s:,.0f} keys/s)")
    click.echo(f"{file}: {file.stat().st_size:,} bytes, checksum {summary.checksum}")


async def quick_total(settings: Settings, store: Database) -> int | None:
    """How many homes there are, None where counting them takes as long as what is to be done with them."""
    if settings.store.kind != "sqlite":
        return None
    return sum((await store.count_by_cell()).values())


@click.command("verify")
@click.argument("file", type=BACKUP_FILE)
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Read a whole backup, and say whether it is sound and what is in it.

    The checksums find damage. They do not prove who wrote the file: keep the
    checksum that `backup` printed elsewhere, and compare.

    \b
    Examples:
      homecell store verify home.backup

    \b
    Exit codes:
      0  the backup is sound
      1  it is not, and here is what is wrong where
    """
    from lookup.backup_reader import BackupReader

    with backup_errors(), BackupReader(file) as reader, key_progress("verify", None, as_json) as progress:
        done = 0
        for block in reader.blocks():
            done += len(block.records)
            progress(done)
    if as_json:
        say_json({**asdict(reader.header), **asdict(reader.summary)})
    else:
        _show(file, reader)


def _show(file: Path, reader: BackupReader) -> None:
    header, summary = reader.header, reader.summary
    click.echo(f"{file} is sound: {contents(summary)}")
    stood = f", feed {header.generation}/{header.sequence}" if header.generation else ""
    click.echo(f"begun {moment(header.begun_at_s)}, finished {moment(summary.finished_at_s)}{stood}")
    click.echo(f"checksum {summary.checksum}")
    if summary.users:
        show_table(("CELL", "USERS"), [(cell, str(users)) for cell, users in sorted(summary.users.items())])


def contents(summary: Summary) -> str:
    """`1,000 homes (2 of them being moved), 3 aliases, 1 flag`."""
    moving = f" ({summary.moving:,} of them being moved)" if summary.moving else ""
    homes, aliases = counted(summary.records, "home"), counted(summary.aliases, "alias", "aliases")
    return f"{homes}{moving}, {aliases}, {counted(summary.flags, 'flag')}"


def counted(count: int, name: str, names: str = "") -> str:
    """`1 home`, `2,000 homes`."""
    return f"1 {name}" if count == 1 else f"{count:,} {names or name + 's'}"
