"""Who runs the command, as the others are told."""

from __future__ import annotations

import os
import pwd


def login_name() -> str:
    """Who sits at the terminal, also behind sudo; else whose process this is."""
    try:
        return os.getlogin()
    except OSError:
        pass
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
