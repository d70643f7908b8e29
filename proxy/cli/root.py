"""The homecell command and its list of commands; a command's module is imported when the command is used."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from proxy.cli.answers import HELP_SETTINGS
from proxy.kernel.standard_streams import open_standard_streams

_COMMANDS: Final = {
    "proxy": ("proxy.cli.serve", "Run an edge proxy."),
    "lookup": ("proxy.cli.lookup", "Run the lookup service."),
    "check-config": ("proxy.cli.check", "Check a config and its cells file."),
    "store": ("proxy.cli.storage", "Make the store, see how it is, back it up, restore it."),
    "cells": ("proxy.cli.cells", "Show the cells, take one out of service, put it back, empty it."),
    "users": ("proxy.cli.users", "Show where users are at home, place and move them."),
    "moves": ("proxy.cli.moves", "Move many users; list moves, resume or abort one."),
    "explain": ("proxy.cli.explain", "Say why a user's requests go where they go."),
    "token": ("proxy.cli.token", "Mint a token for trying things out."),
    "completion": ("proxy.cli.completion", "Print the completion script of a shell."),
}
"""Name → module that has it as `command`, and summary: here, so that `--help` imports none of them."""


class LazyGroup(click.Group):
    """A group whose commands are imported only when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            from proxy.config.findings import choose

            mend = choose(args[0], _COMMANDS)
            raise click.UsageError(f"There is no command `{args[0]}`; {mend}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings=HELP_SETTINGS)
@click.version_option(package_name="homecell", message="homecell %(version)s")
def main() -> None:
    """Home Cell sends every request to its user's home cell.

    \b
    Examples:
      homecell check-config configs/demo.yaml
      homecell store init --config configs/demo.yaml
      homecell proxy --config configs/demo.yaml
      homecell cells list
      homecell cells flag eu-west-1-cell-01 down --reason "disk full"
      homecell explain user:42
      homecell users move user:42 --to eu-west-1-cell-02 --copy-command ./copy.sh

    Commands that need a config take --config FILE, else the file named by the
    environment variable HOMECELL_CONFIG, else configs/demo.yaml.

    \b
    Exit codes:
      0  done, or the answer is yes
      1  the answer is no (the user is not served, a worker has not applied a flag)
      2  wrong usage, or a mistake in the config
      3  something needed cannot be reached (store, admin port)
    """
    open_standard_streams()
