"""homecell users alias: lets a key name the user whose home it shares."""

from __future__ import annotations

import time
from pathlib import Path

import click

from proxy.cli.answers import NO, UsageMistakeError, config_option, end, json_option, load_settings, say_json
from proxy.cli.records import alias_document
from proxy.cli.user_move import UserKey


@click.command("alias")
@config_option
@click.argument("key", type=UserKey())
@click.argument("home", type=UserKey(), required=False)
@click.option("--remove", is_flag=True, help="KEY names nobody any more.")
@json_option
def alias_user(config_file: Path | None, key: str, home: str | None, remove: bool, as_json: bool) -> None:
    """Let KEY (email:, apikey:, tenant:) name the key HOME, whose home it then shares.

    Only HOME has a record, so a move changes one record, and every key that names
    it follows. KEY can't have a home of its own, HOME can't name another key. All
    workers and lookup services hear of it by the change feed.

    \b
    Examples:
      homecell users alias email:ann@example.org user:42
      homecell users alias apikey:k-17 tenant:acme
      homecell users alias email:ann@example.org --remove

    \b
    Exit codes:
      0  KEY names HOME (or nobody, with --remove)
      1  it can't: the message says why
      2  wrong usage
      3  the store cannot be reached; asking again tells
    """
    from lookup.aliases import AliasRefusedError, name_home
    from proxy.cli.store import as_stored, with_database

    if remove is (home is not None):
        raise UsageMistakeError("whom shall the key name?", "give HOME, e.g. user:42, or --remove")
    settings = load_settings(config_file)
    named, named_home = as_stored(settings, key), as_stored(settings, home) if home else ""
    try:
        alias = with_database(settings, lambda store: name_home(store, named, named_home, time.time()))
    except AliasRefusedError as refusal:
        click.echo(str(refusal), err=True)
        end(NO)
    if as_json:
        say_json(alias_document(alias))
    elif alias.home:
        click.echo(f"{key} names {home} (epoch {alias.epoch})")
    else:
        click.echo(f"{key} names nobody any more (epoch {alias.epoch})")
