"""Which config a command means when it is not told; the only place that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "HOMECELL_CONFIG"
FALLBACK: Final = "configs/demo.yaml"


def default_path() -> Path:
    """The config that HOMECELL_CONFIG names, else that of the demo, relative to the current folder."""
    return Path(os.environ.get(VARIABLE) or FALLBACK)
