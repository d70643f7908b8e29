"""Which config a command means when it is not told; the only place that reads the environment."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Final

VARIABLE: Final = "HOMECELL_CONFIG"
FALLBACK: Final = "configs/demo.yaml"

_COMMAND: Final = re.compile(r"\bhomecell (?:(?:store|cells|users|moves) [a-z]+|explain)\b(?! --config)")


def default_path() -> Path:
    """The config that HOMECELL_CONFIG names, else that of the demo, relative to the current folder."""
    return Path(os.environ.get(VARIABLE) or FALLBACK)


def mend_of_missing(option: str) -> str:
    """What to do where that default is no file; `option` is how the command is given another one."""
    if os.environ.get(VARIABLE):
        return f"{VARIABLE} names it: correct that, or give {option}"
    return f"nothing names another config: give {option}, or set {VARIABLE}"


def with_config(text: str, path: Path | str) -> str:
    """The text, in which each command of ours names that config: pasted, it means no other one."""
    return _COMMAND.sub(lambda found: f"{found[0]} --config {shlex.quote(str(path))}", text)
