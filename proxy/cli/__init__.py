"""The homecell command. Decides nothing about requests: it asks the same code as the proxy, and shows it."""

from proxy.cli.root import main

__all__ = ["main"]
