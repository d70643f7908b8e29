"""What a running process may take of a config that has changed: how users are placed, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from proxy.config.findings import ConfigError
from proxy.config.loading import Loaded, load_with_warnings
from proxy.config.models import ConfigFile, Settings
from proxy.model import Cell


class ReloadRefusedError(Exception):
    """The files can't be taken; the message says why."""


def load_changed(running: Settings) -> Loaded | None:
    """The config as its files are now; None where nothing has changed. Raises ReloadRefusedError."""
    try:
        loaded = load_with_warnings(running.path, keys=False, writing=False)
    except ConfigError as error:
        raise ReloadRefusedError(str(error)) from error
    if loaded.settings == running:
        return None
    fixed = ", ".join(_changed_for_good(running, loaded.settings))
    if fixed:
        raise ReloadRefusedError(f"only a restart takes what has changed: {fixed}")
    return loaded


def _changed_for_good(running: Settings, new: Settings) -> Iterator[str]:
    """Where the two differ in what only a start can take."""
    for name in ConfigFile.model_fields:
        if name != "placement" and getattr(new, name) != getattr(running, name):
            yield f"`{name}`"
    if new.placement.first_sight != running.placement.first_sight:
        yield "`placement.first_sight`"
    if [_unplaced(cell) for cell in new.cells] != [_unplaced(cell) for cell in running.cells]:
        yield "the cells, their order, jurisdictions, regions or endpoints"


def _unplaced(cell: Cell) -> Cell:
    """Without all that says who is placed there."""
    return replace(cell, weight=0.0, capacity=None, tenants=frozenset())
