"""What all commands share: exit codes, errors with their mend, options. Imports only click at start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from proxy.config import ConfigError, Finding, Loaded, Settings

CommandT = TypeVar("CommandT", bound=Callable[..., object])

OK: Final = 0
NO: Final = 1
MISTAKE: Final = 2
UNREACHABLE: Final = 3

_LONGEST_SUMMARY: Final = 1000

HELP_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class SummaryGroup(click.Group):
    """A group whose help shows each command's first sentence whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_LONGEST_SUMMARY)) for name, command in found if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class CommandError(click.ClickException):
    """Ends a command: `message` says what is wrong, `mend` what to do. Commands in them can be pasted."""

    def __init__(self, message: str, mend: str) -> None:
        self._config = _named_config()
        super().__init__(message)
        self.mend = mend

    def show(self, file: IO[Any] | None = None) -> None:
        message, mend = (_naming(self._config, text) for text in (self.message, self.mend))
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", file=file, err=True)
        if mend:
            click.echo(f"       {mend}", file=file, err=True)


class UsageMistakeError(CommandError):
    """The command can't do what it was told."""

    exit_code = MISTAKE


class UnreachableError(CommandError):
    """Something that the command needs does not answer."""

    exit_code = UNREACHABLE


class ConfigMistakesError(CommandError):
    """A config that cannot be used: shows every mistake."""

    exit_code = MISTAKE

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error), "")
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        for finding in self.error.mistakes:
            show_finding(finding, file)
        show_warnings(self.error.warnings)
        count = len(self.error.mistakes)
        click.secho(f"{count} mistake{'s' if count > 1 else ''}", fg="red", bold=True, file=file, err=True)


def show_finding(finding: Finding, file: IO[Any] | None = None, label: str = "") -> None:
    """One mistake or warning on standard error: place, key and fault on one line, the mend below."""
    from proxy.config.findings import printable

    place = printable(short(finding.file)) + (f":{finding.line}" if finding.line else "")
    subject = f"{finding.key} " if finding.key else ""
    click.echo(f"{click.style(place, bold=True)}: {label}{subject}{finding.what}", file=file, err=True)
    click.echo(f"    {finding.mend}", file=file, err=True)


def show_warnings(warnings: tuple[Finding, ...]) -> None:
    """Warnings on standard error, where they don't disturb what a script reads."""
    for finding in warnings:
        show_finding(finding, label=click.style("warning: ", fg="yellow"))


def pasteable(text: str) -> str:
    """The text; where the command was given --config, each command in it is given the same."""
    return _naming(_named_config(), text)


def _named_config() -> Path | None:
    context = click.get_current_context(silent=True)
    return context.params.get("config_file") if context is not None else None


def _naming(config: Path | None, text: str) -> str:
    from proxy.config.location import with_config

    return text if config is None else with_config(text, config)


def short(path: Path) -> str:
    """The path as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def load_settings(path: Path | None) -> Settings:
    """The settings of the config that the command means; ends the command when it has mistakes.

    Key files, and where an edge writes, are not looked at: see `load_config`.
    """
    return load_config(path).settings


def load_config(path: Path | None, *, keys: bool = False, writing: bool = False) -> Loaded:
    """As load_settings, with all that was read; can insist on key files, and on where an edge writes."""
    from proxy.config import ConfigError, load_with_warnings
    from proxy.config.location import default_path

    insist_on_default(path, "--config FILE")
    try:
        return load_with_warnings(path or default_path(), keys=keys, writing=writing)
    except ConfigError as error:
        raise ConfigMistakesError(error) from error


def insist_on_default(path: Path | None, option: str) -> None:
    """End the command if it was given no config by that option, and there is none where one is looked for."""
    from proxy.config.location import default_path, mend_of_missing

    if path is None and not default_path().exists():
        raise UsageMistakeError(f"the config {default_path()} does not exist", mend_of_missing(option))


def config_option(command: CommandT) -> CommandT:
    """The option --config, alike for every command."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="Config of the edge.  [default: $HOMECELL_CONFIG, else configs/demo.yaml]",
    )(command)


def json_option(command: CommandT) -> CommandT:
    """The option --json, alike for every command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def say_json(document: object) -> None:
    """One JSON document on standard output, with a date beside each moment in it."""
    import json

    from proxy.cli.dates import dated

    click.echo(json.dumps(dated(document), indent=2))


def end(exit_code: int) -> NoReturn:
    """End the command with that exit code."""
    sys.exit(exit_code)
