"""homecell store restore: puts a backup back, after a look at what that would change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.answers import CommandError, config_option, json_option, load_settings, say_json
from proxy.cli.key_progress import key_progress
from proxy.cli.store_backup import BACKUP_FILE, backup_errors, counted
from proxy.cli.tables import show_table

if TYPE_CHECKING:
    from lookup.assignment import Alias
    from lookup.backup_reader import BackupReader
    from lookup.backup_restore import Pair, Plan
    from lookup.database import Database
    from proxy.config import Settings

_NAMES: Final = 5


@dataclass(frozen=True, slots=True)
class _Done:
    """What there was to restore, how many records were written, and what is left to be done after all.

    workers  who may write by what they know, where users would get another cell
    refused  aliases that the store does not take
    """

    plan: Plan
    workers: Sequence[str] = ()
    written: int = 0
    left: Plan | None = None
    refused: Sequence[Alias] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether the store had it all."""
        return not (self.written or self.plan.aliases or self.plan.flags)

    def refusal(self, keep_newer: bool) -> CommandError | None:
        """Why nothing was written, if nothing may be."""
        if self.plan.backward and not keep_newer:
            return _knows_newer(self.plan)
        return _is_written_to(self.plan, self.workers) if self.workers else None


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
    moved are where they were before. Where users would get another cell than the
    store has for them, no edge may run: their writes would go on to the former one.
    Then all edges read again what they know, and ask the store before they believe
    a claim from before. A restore that was interrupted can be repeated.

    \b
    Examples:
      homecell store restore home.backup --dry-run
      homecell store restore home.backup
      homecell store restore home.backup --keep-newer

    \b
    Exit codes:
      0  the store has everything that is in the backup (or would, with --dry-run)
      1  the file is not sound, the store knows newer homes, or users would get
         another cell while edges run, and nothing was written; or somebody changed
         homes meanwhile, or aliases name nobody whom the store knows: all are listed
      3  the store cannot be reached
    """
    settings = load_settings(config_file)
    begun_s = time.monotonic()
    with backup_errors():
        done = _restore(settings, file, dry_run, keep_newer, as_json)
    plan, took_s = done.plan, time.monotonic() - begun_s
    if as_json:
        say_json(
            {
                **_document(plan),
                "written": done.written,
                "left": _left(done),
                **_aliases(done),
                "took_s": took_s,
            }
        )
    else:
        show_table(("IN THE BACKUP", "COUNT"), _told(plan))
    refusal = done.refusal(keep_newer)
    if refusal is not None:
        raise refusal
    if done.left is not None:
        raise _not_all(done.left)
    if done.refused:
        raise _nobody_named(done.refused)
    if as_json:
        return
    if dry_run:
        click.echo("a dry run: nothing was written")
    elif done.is_nothing:
        click.echo("nothing to restore: the store has all of it, or newer")
    else:
        click.echo(f"restored in {took_s:.1f} s ({plan.records / took_s:,.0f} keys/s)")


def _restore(settings: Settings, file: Path, dry_run: bool, keep_newer: bool, quiet: bool) -> _Done:
    from lookup.backup_reader import BackupReader
    from lookup.backup_restore import insist_on_same_spelling, plan_restore, what_is_left, writing_workers
    from lookup.backup_restore import restore as put_back
    from proxy.cli.store import with_database

    async def run(store: Database) -> _Done:
        with BackupReader(file) as reader:
            with key_progress("compare", None, quiet) as progress:
                plan = await plan_restore(store, reader, progress)
            await insist_on_same_spelling(store, plan)
            _warn_of_unknown_cells(settings, reader)
            foreseen = _Done(plan, await writing_workers(store, time.time()) if plan.rehomed else ())
            if dry_run or foreseen.refusal(keep_newer):
                return foreseen
            with key_progress("restore", plan.records, quiet) as progress:
                caches = partial(_empty_caches, settings)
                restored = await put_back(store, reader, plan, time.time, progress, caches)
            with key_progress("compare", plan.records, quiet) as progress:
                left = await what_is_left(store, reader, plan, restored.written, progress)
            return _Done(plan, (), restored.written, left, restored.refused)

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
        "rehomed": plan.rehomed,
        "same": plan.same,
        "backward": plan.backward,
        "first_rehomed": _pairs(plan.first_rehomed),
        "first_backward": _pairs(plan.first_backward),
        "moving": plan.moving,
        "aliases": plan.aliases,
        "flags": [flag.cell for flag in plan.flags],
    }


def _pairs(pairs: Sequence[Pair]) -> list[dict[str, object]]:
    return [
        {"key": pair.backup.key, "backup": asdict(pair.backup), "store": asdict(pair.store)} for pair in pairs
    ]


def _left(done: _Done) -> dict[str, object] | None:
    return None if done.left is None else _document(done.left)


def _aliases(done: _Done) -> dict[str, object]:
    return {
        "refused_aliases": len(done.refused),
        "first_refused_aliases": [asdict(alias) for alias in done.refused[:_NAMES]],
    }


def _warn_of_unknown_cells(settings: Settings, reader: BackupReader) -> None:
    from lookup.key_mark import NO_CELL

    listed = {cell.name for cell in settings.cells} | {NO_CELL}
    for cell, users in sorted(reader.summary.users.items()):
        if cell not in listed:
            who = f"{counted(users, 'user')} of the backup {'lives' if users == 1 else 'live'} in {cell}"
            text = f"warning: {who}, which the cells file does not list: edges refuse their requests"
            click.secho(text, fg="yellow", err=True)


def _told(plan: Plan) -> list[tuple[str, str]]:
    rows = [
        ("homes that the store lacks", plan.new),
        ("homes that the store has older", plan.newer),
        ("of these, users who get another cell", plan.rehomed),
        ("homes that the store has as they are", plan.same),
        ("homes that the store has newer", plan.backward),
        ("users being moved, to be back where they came from", plan.moving),
        ("aliases that the store lacks or has older", plan.aliases),
        ("flags that the store lacks or has older", len(plan.flags)),
    ]
    return [(what, f"{count:,}") for what, count in rows if count]


def _knows_newer(plan: Plan) -> CommandError:
    what = f"the store knows {counted(plan.backward, 'home')} newer than the backup does: {_examples(plan)}"
    mend = "restore into an empty store; or --keep-newer: these stay as they are, the rest is restored"
    return CommandError(what, mend)


def _is_written_to(plan: Plan, workers: Sequence[str]) -> CommandError:
    names = ", ".join(workers[:_NAMES]) + (", ..." if len(workers) > _NAMES else "")
    what = (
        f"{counted(plan.rehomed, 'user')} would get another cell while workers may write to the one they "
        f"have: {_some(plan.first_rehomed, plan.rehomed)}; {counted(len(workers), 'such worker')}: {names}"
    )
    mend = (
        "stop all edges and lookup services (one that was killed counts until what it had sent is over, see "
        "limits.cell_request_limit_s); or move these users first: homecell users move"
    )
    return CommandError(what, mend)


def _not_all(left: Plan) -> CommandError:
    lacking = [
        f"{left.new:,} that it lacks" if left.new else "",
        f"{left.newer:,} that it has older: {_some(left.first_rehomed, left.newer)}" if left.newer else "",
        f"{left.backward:,} that it has newer or otherwise: {_examples(left)}" if left.backward else "",
    ]
    what = f"the store does not hold all that was to be restored: {'; '.join(filter(None, lacking))}"
    mend = "somebody writes there: stop all edges and lookup services, look at these users, restore again"
    return CommandError(what, mend)


def _nobody_named(refused: Sequence[Alias]) -> CommandError:
    shown = ", ".join(f"{alias.key} (for {alias.home})" for alias in refused[:_NAMES])
    more = ", ..." if len(refused) > _NAMES else ""
    what = (
        f"all homes are restored, but {counted(len(refused), 'alias is', 'aliases are')} not: {shown}{more}"
    )
    mend = (
        "their users were placed while the backup was taken, or these keys are something else in the store: "
        "look at them with homecell users show, and name them with homecell users alias"
    )
    return CommandError(what, mend)


def _examples(plan: Plan) -> str:
    return _some(plan.first_backward, plan.backward)


def _some(pairs: Sequence[Pair], count: int) -> str:
    return ", ".join(_compared(pair) for pair in pairs) + (", ..." if count > len(pairs) else "")


def _compared(pair: Pair) -> str:
    store, backup = pair.store, pair.backup
    return f"{backup.key} ({store.cell} at epoch {store.epoch}, not {backup.cell} at {backup.epoch})"
