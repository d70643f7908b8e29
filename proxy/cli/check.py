"""homecell check-config: every mistake of a config at once, or what was understood in short."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import (
    HELP_SETTINGS,
    MISTAKE,
    ConfigMistakesError,
    end,
    insist_on_default,
    json_option,
    say_json,
    short,
    show_warnings,
)
from proxy.cli.tables import address, show_table

if TYPE_CHECKING:
    from proxy.config import Finding, Settings
    from proxy.config.models import ConfigFile
    from proxy.config.shape import Shape


@click.command("check-config", context_settings=HELP_SETTINGS)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@json_option
@click.option("--reference", is_flag=True, help="Print the reference of all keys instead, as Markdown.")
def command(file: Path | None, as_json: bool, reference: bool) -> None:
    """Check a config and its cells file.

    Says in short what was understood: edge, cells and routes. Mistakes are all
    reported at once, each with its line, its key and the mend.
    Warnings alone leave the exit code 0.

    \b
    Examples:
      homecell check-config configs/demo.yaml
      homecell check-config configs/demo.yaml --json
      homecell check-config --reference > docs/configuration.md
    """
    if reference:
        from proxy.config.reference import reference_page

        click.echo(reference_page(), nl=False)
        return
    from proxy.config import ConfigError, load_with_warnings
    from proxy.config.location import default_path

    insist_on_default(file, "FILE")
    try:
        loaded = load_with_warnings(file or default_path(), judge=_judge_tokens)
    except ConfigError as error:
        if not as_json:
            raise ConfigMistakesError(error) from error
        say_json(_report(error.mistakes, error.warnings))
        end(MISTAKE)
    if as_json:
        say_json(_report((), loaded.warnings) | _summary(loaded.settings))
        return
    show_warnings(loaded.warnings)
    _show_summary(loaded.settings)


def _judge_tokens(config: Shape[ConfigFile]) -> Iterator[Finding]:
    """Warns of what the lookup service would refuse; an edge runs all the same. A missing file is told of."""
    from lookup.service.tokens import TokensFileError, load_tokens

    key = ("lookup_service", "tokens_file")
    file = config.path(key)
    if file is None or not file.is_file() or not os.access(file, os.R_OK):
        return
    try:
        load_tokens(file)
    except TokensFileError as error:
        yield config.finding(key, "cannot be used, `homecell lookup` will refuse it", str(error))


def _report(mistakes: Sequence[Finding], warnings: Sequence[Finding]) -> dict[str, object]:
    def plain(findings: Sequence[Finding]) -> list[dict[str, object]]:
        return [{**asdict(finding), "file": str(finding.file)} for finding in findings]

    return {"ok": not mistakes, "mistakes": plain(mistakes), "warnings": plain(warnings)}


def _summary(settings: Settings) -> dict[str, object]:
    edge = settings.edge
    return {
        "edge": {
            "name": edge.name,
            "jurisdiction": edge.jurisdiction,
            "listen": address(edge.listen),
            "admin": address(edge.admin),
            "workers": edge.workers,
        },
        "cells": [
            {
                "name": cell.name,
                "jurisdiction": cell.jurisdiction,
                "region": cell.region,
                "endpoints": [address(endpoint) for endpoint in cell.endpoints],
            }
            for cell in settings.cells
        ],
        "routes": [
            {"prefix": route.prefix, "identity": route.identity, "fallback": route.fallback}
            for route in settings.routes
        ],
    }


def _store_place(settings: Settings) -> str:
    path = settings.store.path
    return settings.store.place if path is None else short(path)


def _show_summary(settings: Settings) -> None:
    edge = settings.edge
    workers = "1 worker" if edge.workers == 1 else f"{edge.workers} workers"
    click.echo(f"{short(settings.path)} is sound.\n")
    click.echo(f"Edge {edge.name} in {edge.jurisdiction}: {workers} on {address(edge.listen)}, ", nl=False)
    click.echo(f"admin on {address(edge.admin)}; {settings.store.kind} store {_store_place(settings)}")
    for user, rule in settings.residency.items():
        served = "served here" if edge.jurisdiction in rule.allow else f"sent to {rule.edge_url}"
        click.echo(f"Users of {user}: in {' and '.join(rule.allow)} only; {served}")
    click.echo()
    show_table(
        ("CELL", "JURISDICTION", "REGION", "ENDPOINTS"),
        [
            (cell.name, cell.jurisdiction, cell.region, ", ".join(map(address, cell.endpoints)))
            for cell in settings.cells
        ],
    )
    click.echo()
    show_table(
        ("ROUTE", "IDENTITY", "FALLBACK"),
        [(route.prefix, route.identity, route.fallback) for route in settings.routes],
    )
