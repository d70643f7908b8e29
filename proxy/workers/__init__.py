"""Processes: the supervisor that owns the listeners, and the workers that it starts, watches and replaces."""

from proxy.workers.decisions import Timing
from proxy.workers.serving import serve

__all__ = ["Timing", "serve"]
