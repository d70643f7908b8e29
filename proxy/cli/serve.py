"""homecell proxy: runs an edge until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from proxy.cli.answers import HELP_SETTINGS, config_option, end, load_config, show_warnings

_ANOTHERS: Final = "lookup_service."
"""Of another program's section `check-config` and that program warn."""


@click.command("proxy", context_settings=HELP_SETTINGS)
@config_option
def command(config_file: Path | None) -> None:
    """Run an edge proxy.

    It accepts requests and sends each to its user's home cell. It runs in the
    foreground until SIGTERM or Ctrl-C, then finishes the requests that run (at
    most `limits.drain_timeout_s`) and exits.

    \b
    Examples:
      homecell proxy --config configs/demo.yaml
      HOMECELL_CONFIG=edge.yaml homecell proxy

    \b
    Exit codes:
      0  stopped as it was told
      1  it could not start (a port is taken, say), or its workers keep failing
      2  a mistake in the config
    """
    loaded = load_config(config_file, keys=True, writing=True)
    show_warnings(tuple(warning for warning in loaded.warnings if not warning.key.startswith(_ANOTHERS)))
    from proxy import workers

    end(workers.run(loaded))
