"""homecell completion: the shell's completion script; and what can be completed of a config's cells."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from proxy.cli.answers import HELP_SETTINGS


@click.command("completion", context_settings=HELP_SETTINGS)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Try it in this shell:
      source <(homecell completion bash)
      source <(homecell completion zsh)
      homecell completion fish | source

    \b
    Keep it:
      homecell completion bash > ~/.local/share/bash-completion/completions/homecell
      homecell completion zsh > ~/.zfunc/_homecell      # with ~/.zfunc in $fpath
      homecell completion fish > ~/.config/fish/completions/homecell.fish
    """
    from proxy.cli.root import main

    maker = get_completion_class(shell)
    assert maker is not None  # click has all three
    script = maker(main, {}, "homecell", "_HOMECELL_COMPLETE")
    click.echo(script.source_template % script.source_vars())


def cell_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """The names of the inventory, for completion: nothing when the config cannot be read."""
    from proxy.config import ConfigError, load
    from proxy.config.location import default_path

    given = ctx.params.get("config_file")
    try:
        cells = load(given if isinstance(given, Path) else default_path()).cells
    except ConfigError:
        return []
    return [
        CompletionItem(cell.name, help=f"{cell.jurisdiction}, {cell.region}")
        for cell in cells
        if cell.name.startswith(incomplete)
    ]
