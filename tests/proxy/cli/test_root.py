"""The list of commands, their help, and that help is quick because it imports nothing."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from proxy.cli import main
from tests.proxy.cli.conftest import Homecell

COMMANDS = [
    "proxy",
    "lookup",
    "check-config",
    "store",
    "cells",
    "users",
    "moves",
    "explain",
    "token",
    "completion",
]
PAGES = [
    *([name] for name in COMMANDS),
    *(["store", name] for name in ("init", "migrate", "status")),
    *(["cells", name] for name in ("list", "flag")),
    *(["users", name] for name in ("show", "history", "place", "move", "heavy")),
    *(["moves", name] for name in ("list", "resume", "abort")),
]


def test_help_lists_every_command_and_the_exit_codes(homecell: Homecell) -> None:
    result = homecell("--help")
    assert result.exit_code == 0
    listed = result.stdout.partition("Commands:\n")[2].split("\n")
    assert [line.split()[0] for line in listed if line.strip()] == COMMANDS
    assert "3  something needed cannot be reached" in result.stdout


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_every_command_has_help_with_examples(homecell: Homecell, page: list[str]) -> None:
    result = homecell(*page, "--help")
    assert result.exit_code == 0
    assert "homecell " + page[0] in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 100
    assert any(heading in result.stdout for heading in ("Examples:", "Try it in this shell:"))


def test_the_listed_summary_of_a_command_is_the_first_line_of_its_help(homecell: Homecell) -> None:
    shown = " ".join(homecell("--help").stdout.split())
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert f"{name} {(command.help or '').partition(chr(10))[0]}" in shown


@pytest.mark.parametrize("group", ["store", "cells", "users", "moves"])
def test_a_group_lists_its_commands_with_their_whole_first_sentences(homecell: Homecell, group: str) -> None:
    shown = " ".join(homecell(group, "--help").stdout.partition("Commands:\n")[2].split())
    of_group = main.get_command(click.Context(main), group)
    assert isinstance(of_group, click.Group)
    for name, command in of_group.commands.items():
        sentence = " ".join((command.help or "").split()).partition(". ")[0].removesuffix(".")
        assert f"{name} {sentence}." in shown


@pytest.mark.parametrize("arguments", [["--help"], ["cells", "--help"], ["completion", "fish"]])
def test_help_imports_nothing_that_takes_long(arguments: list[str]) -> None:
    script = (
        "import sys; from proxy.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "slow = {'pydantic', 'rich', 'yaml', 'cryptography', 'jwt', 'asyncio', 'aiohttp'} & "
        "set(sys.modules); "
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("typed", "mend"),
    [
        ("tokn", "did you mean `token`?"),
        ("check", "did you mean `check-config`?"),
        ("zzz", "known: cells, check-config"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(homecell: Homecell, typed: str, mend: str) -> None:
    result = homecell(typed)
    assert result.exit_code == 2
    assert f"There is no command `{typed}`; {mend}" in result.stderr


def test_the_version_is_told(homecell: Homecell) -> None:
    assert homecell("--version").stdout.startswith("homecell ")


@pytest.mark.parametrize(
    "arguments", [["cells", "list"], ["explain", "user:1"], ["token", "--user", "1"], ["proxy"]]
)
def test_a_command_with_a_bad_config_tells_all_mistakes(homecell: Homecell, arguments: list[str]) -> None:
    result = homecell(*arguments, "--config", "none.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "none.yaml: does not exist\n    name a config file\n1 mistake\n"


@pytest.mark.parametrize(
    ("arguments", "option"), [(["cells", "list"], "--config FILE"), (["check-config"], "FILE")]
)
def test_a_default_config_that_is_not_there_is_told_with_where_its_name_came_from(
    homecell: Homecell, monkeypatch: pytest.MonkeyPatch, arguments: list[str], option: str
) -> None:
    monkeypatch.setenv("HOMECELL_CONFIG", "/nope.yaml")
    assert homecell(*arguments).stderr == (
        "Error: the config /nope.yaml does not exist\n"
        f"       HOMECELL_CONFIG names it: correct that, or give {option}\n"
    )
    monkeypatch.delenv("HOMECELL_CONFIG")
    result = homecell(*arguments)
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: the config configs/demo.yaml does not exist\n"
        f"       nothing names another config: give {option}, or set HOMECELL_CONFIG\n"
    )
