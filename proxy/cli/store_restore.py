"""homecell store restore: puts a backup back, after a look at what that would change."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import CommandError, config_option, json_option, load_settings, say_json
from proxy.cli.key_progress import key_progress
from proxy.cli.store_backup import BACKUP_FILE, backup_errors
from proxy.cli.tables import show_table

if TYPE_CHECKING:
    from lookup.backup_restore import Pair, Plan
    from lookup.database import Database
    from proxy.config import Settings


@click.command("restore")
@config_option
@click.argument("file", type=BACKUP_FILE)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--keep-newer", is_flag=True, help="Leave alone what the store knows newer; restore the rest.")
@json_option
def restore(config_file: Path | None, file: Path, dry_run: bool, keep_newer: bool, as_json: bool) -> None:
    """Put a backup back into the store.

    The whole file is read and compared with the store first. If the store knows
    some home newer than the backup does, nothing is written: no epoch is ever
    lowered. What the store has and the backup lacks stays. Users who were being
    moved are where they were before. Then all edges read again what they know,
    and ask the store before they believe a claim from before. A restore that was
    interrupted can be repeated.

    \b
    Examples:
      homecell store restore home.backup --dry-run
      homecell store restore home.backup
      homecell store restore home.backup --keep-newer

    \b
    Exit codes:
      0  the store has everything that is in the backup (or would, with --dry-run)
      1  the file is not sound, or the store knows newer homes; nothing was written
      3  the store cannot be reached
    """
    settings = load_settings(config_file)
    begun_s = time.monotonic()
    with backup_errors():
        plan, written = _restore(settings, file, dry_run, keep_newer, as_json)
    took_s = time.monotonic() - begun_s
    if as_json:
        say_json({**_document(plan), "written": written, "took_s": took_s})
    else:
        show_table(("IN THE BACKUP", "COUNT"), _told(plan))
    if plan.backward and not keep_newer:
        raise _refusal(plan)
    if not as_json and not dry_run:
        click.echo(f"restored in {took_s:.1f} s ({plan.records / took_s:,.0f} keys/s)")


def _restore(
    settings: Settings, file: Path, dry_run: bool, keep_newer: bool, quiet: bool
) -> tuple[Plan, int]:
    """What there is to restore, and how many records were written."""
    from lookup.backup_reader import BackupReader
    from lookup.backup_restore import insist_on_same_spelling, plan_restore
    from lookup.backup_restore import restore as put_back
    from proxy.cli.store import with_database

    async def run(store: Database) -> tuple[Plan, int]:
        with BackupReader(file) as reader:
            with key_progress("compare", None, quiet) as progress:
                plan = await plan_restore(store, reader, progress)
            await insist_on_same_spelling(store, plan)
            if dry_run or (plan.backward and not keep_newer):
                return plan, 0
            with key_progress("restore", plan.records, quiet) as progress:
                caches = partial(_empty_caches, settings)
                return plan, await put_back(store, reader, plan, time.time, progress, caches)

    return with_database(settings, run)


async def _empty_caches(settings: Settings) -> None:
    if settings.redis is not None:
        from lookup.redis_emptying import empty_cache
        from proxy.tiers import redis_settings

        await empty_cache(redis_settings(settings.redis), f"{settings.redis.prefix}:home:")


def _document(plan: Plan) -> dict[str, object]:
    return {
        "records": plan.records,
        "new": plan.new,
        "newer": plan.newer,
        "same": plan.same,
        "backward": plan.backward,
        "first_backward": [
            {"key": pair.backup.key, "backup": asdict(pair.backup), "store": asdict(pair.store)}
            for pair in plan.first_backward
        ],
        "moving": plan.moving,
        "aliases": plan.aliases,
        "flags": [flag.cell for flag in plan.flags],
    }


def _told(plan: Plan) -> list[tuple[str, str]]:
    rows = [
        ("homes that the store lacks", plan.new),
        ("homes that the store has older", plan.newer),
        ("homes that the store has as they are", plan.same),
        ("homes that the store has newer", plan.backward),
        ("users being moved, to be back where they came from", plan.moving),
        ("aliases that the store lacks or has older", plan.aliases),
        ("flags that the store lacks or has older", len(plan.flags)),
    ]
    return [(what, f"{count:,}") for what, count in rows if count]


def _refusal(plan: Plan) -> CommandError:
    examples = ", ".join(_compared(pair) for pair in plan.first_backward)
    more = ", ..." if plan.backward > len(plan.first_backward) else ""
    what = f"the store knows {plan.backward:,} homes newer than the backup does: {examples}{more}"
    mend = "restore into an empty store; or --keep-newer: these stay as they are, the rest is restored"
    return CommandError(what, mend)


def _compared(pair: Pair) -> str:
    store, backup = pair.store, pair.backup
    return f"{backup.key} ({store.cell} at epoch {store.epoch}, not {backup.cell} at {backup.epoch})"
