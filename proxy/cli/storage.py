"""homecell store: makes the store of a config, brings it up to date, says how it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import (
    HELP_SETTINGS,
    NO,
    OK,
    UNREACHABLE,
    SummaryGroup,
    config_option,
    end,
    json_option,
    load_settings,
    pasteable,
    say_json,
)
from proxy.cli.store_backup import back_up, verify
from proxy.cli.store_drill import drill
from proxy.cli.store_restore import restore
from proxy.cli.tables import show_table, span

if TYPE_CHECKING:
    from proxy.cli.storage_report import Schema, StoreReport
    from proxy.config import Settings


@click.group("store", cls=SummaryGroup, context_settings=HELP_SETTINGS)
def command() -> None:
    """Make the store, see how it is, back it up, restore it.

    \b
    Examples:
      homecell store init --config edge.yaml
      homecell store status
      homecell store migrate
      homecell store backup home.backup
      homecell store drill home.backup
    """


for each in (back_up, verify, restore, drill):
    command.add_command(each)


@command.command("init")
@config_option
def init_store(config_file: Path | None) -> None:
    """Make the store that the config names; one that is there stays as it is.

    SQLite: the file. Cassandra: the keyspace, with the copies that
    `replication` says, and its tables.

    \b
    Examples:
      homecell store init --config edge.yaml

    \b
    Exit codes:
      0  the store is there
      2  a mistake in the config
      3  the store cannot be reached
    """
    from proxy.cli.store import insist_on_database, reaching

    settings = load_settings(config_file)
    insist_on_database(settings)
    before, after = reaching(_made(settings))
    place = settings.store.place
    if before == after:
        click.echo(f"{place} is there already (schema version {after})")
    elif before:
        click.echo(f"{place} was brought from schema version {before} to {after}")
    else:
        click.echo(f"{place} is made (schema version {after})")


@command.command("migrate")
@config_option
def migrate_store(config_file: Path | None) -> None:
    """Bring the store to the schema version of this program, while edges go on using it.

    Steps only add, so programs of the version before go on working. Run it once
    before the edges are upgraded; doing it twice does no harm. It also puts right,
    and says, what older programs or a clock that was far ahead have left wrong:
    counts of users by cell in an SQLite file, and how far back the feed reaches.

    \b
    Examples:
      homecell store migrate --config edge.yaml

    \b
    Exit codes:
      0  the store is up to date
      2  a mistake in the config, or there is no store yet
      3  the store cannot be reached
    """
    from proxy.cli.answers import UsageMistakeError
    from proxy.cli.store import insist_on_database, reaching, with_database

    settings = load_settings(config_file)
    insist_on_database(settings)
    found = reaching(_schema(settings))
    if found.found == 0:
        raise UsageMistakeError(f"there is no store yet: {settings.store.place}", "homecell store init")
    before, after = reaching(_made(settings))
    done = "is up to date" if before == after else f"was brought from schema version {before}"
    click.echo(f"{settings.store.place} {done} (schema version {after})")
    for wrong in with_database(settings, lambda store: store.mend()):
        click.echo(f"mended: {wrong}")


@command.command("status")
@config_option
@click.option("--count", is_flag=True, help="Count the users of each cell, too; reads the whole store.")
@json_option
def show_status(config_file: Path | None, count: bool, as_json: bool) -> None:
    """Say whether the store can be used: reached, up to date, its feed alive, its cache there.

    \b
    Examples:
      homecell store status
      homecell store status --count
      homecell store status --json | jq .feed.lag_s

    \b
    Exit codes:
      0  all is well
      1  it can be reached, and something is not as it should be
      2  a mistake in the config
      3  the store cannot be reached, or there is none yet
    """
    from proxy.cli.storage_report import report_on
    from proxy.cli.store import reaching

    told = reaching(report_on(load_settings(config_file), count))
    if as_json:
        say_json({**asdict(told), "ok": told.is_well})
    else:
        _show(told)
    end(OK if told.is_well else (NO if told.reached else UNREACHABLE))


def _how_it_is(told: StoreReport) -> str:
    if told.schema is not None and not told.schema.found:
        return "not made yet"
    return "answers" if told.usable else "does not answer"


def _show(told: StoreReport) -> None:
    rows = [("store", f"{told.kind}, {told.place}: {_how_it_is(told)}")]
    if told.schema is not None:
        found = f"version {told.schema.found}" if told.schema.found else "none yet"
        rows.append(("schema", f"{found}; this program's is version {told.schema.known}"))
    if told.feed is not None:
        rows.append(("feed", f"alive, generation {told.feed.generation}, event {told.feed.event}"))
        waits = f"for {span(told.feed.lag_s)}" if told.feed.lag_s else "nothing"
        rows.append(("waiting", waits))
    elif told.fresh:
        rows.append(("feed", "not begun: no edge or lookup service has run yet; the first one begins it"))
    elif told.usable:
        rows.append(("feed", "silent"))
    if told.redis is not None:
        rows.append(("redis", "answers" if told.redis else "does not answer"))
    still = told.moves_without_driver
    if still:
        stand = "1 stands" if still == 1 else f"{still:,} stand"
        rows.append(("moves", pasteable(f"{stand} still, without a driver: homecell moves list")))
    show_table(("PART", "STATE"), rows)
    if told.keys is not None:
        click.echo()
        show_table(("CELL", "USERS"), [(cell, str(users)) for cell, users in sorted(told.keys.items())])
    for trouble in told.troubles:
        click.secho(f"trouble: {pasteable(trouble)}", fg="red", err=True)


async def _schema(settings: Settings) -> Schema:
    from proxy.cli.storage_report import read_schema

    schema = await read_schema(settings)
    assert schema is not None, "of a lookup service nobody asks"
    return schema


async def _made(settings: Settings) -> tuple[int, int]:
    """Make the store, or bring it up to date; its version before and after."""
    cassandra, path = settings.store.cassandra, settings.store.path
    before = (await _schema(settings)).found
    if cassandra is not None:
        from lookup.stores.cassandra_schema import init
        from proxy.tiers import cassandra_settings

        return before, (await init(cassandra_settings(cassandra), cassandra.replication)).found
    assert path is not None, "checked when the config was read"
    from lookup.stores.sqlite import SqliteStore

    await (await SqliteStore.open(path, create=True)).close()
    return before, (await _schema(settings)).found
