"""Processes: the supervisor that owns the listeners, and the workers that it starts, watches and replaces."""

from proxy.workers.decisions import Timing
from proxy.workers.running import run

__all__ = ["Timing", "run"]
