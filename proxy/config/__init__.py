"""Settings with units, from one config file and its cells file; reports every mistake at once."""

from proxy.config.findings import ConfigError, Finding
from proxy.config.loading import Loaded, load, load_again, load_with_warnings
from proxy.config.models import Settings
from proxy.config.reload import ReloadRefusedError, load_changed

__all__ = [
    "ConfigError",
    "Finding",
    "Loaded",
    "ReloadRefusedError",
    "Settings",
    "load",
    "load_again",
    "load_changed",
    "load_with_warnings",
]
