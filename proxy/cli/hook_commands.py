"""Judges what was given to copy or verify users, before anybody is moved: can it be run as it is meant?"""

from __future__ import annotations

import re
import shlex
import shutil
from typing import Final

import click

from proxy.cli.answers import UsageMistakeError

_QUOTED: Final = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_FOR_A_SHELL: Final = re.compile(r"[;|&<>`$]")
_VARIABLE: Final = re.compile(r"\$\w+|\$\{\w+\}")


def runnable_hook(_context: click.Context, _option: click.Parameter, hook: str) -> str:
    """The hook, of an option that names one: "" for none, a URL, or a command that can be started.

    Commands are run without a shell. `copy; check` would give copy two more words, succeed, and move a user
    whom nobody had checked: so what only a shell understands is refused.
    """
    if not hook or hook.startswith(("http://", "https://")):
        return hook
    try:
        words = shlex.split(hook)
    except ValueError as error:
        raise UsageMistakeError(f"`{hook}` is no command line: {error}", "close the quotation") from error
    if not words:
        raise UsageMistakeError("the command is blank", "name a command or a URL")
    if _FOR_A_SHELL.search(_QUOTED.sub("", hook)) or any(_VARIABLE.fullmatch(word) for word in words):
        mend = "name a script, or a shell: \"sh -c './copy $HOMECELL_KEY && ./check'\""
        raise UsageMistakeError(f"`{hook}` is meant for a shell, and commands are run without one", mend)
    if shutil.which(words[0]) is None:
        mend = f"correct the path, or let it be executed: chmod +x {shlex.quote(words[0])}"
        raise UsageMistakeError(f"`{words[0]}` is no program that can be started", mend)
    return hook
