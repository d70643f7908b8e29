"""Config file and cells file → Settings, or every mistake of both at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from proxy.config.checks import check_values
from proxy.config.document import UnreadableError, read_document
from proxy.config.findings import ConfigError, Finding
from proxy.config.inventory import Inventory
from proxy.config.models import ConfigFile, Settings
from proxy.config.shape import Shape
from proxy.model import Cell, CellName, Jurisdiction

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that may be used, and what its owner should look at all the same."""

    settings: Settings
    warnings: tuple[Finding, ...]


def load(path: Path) -> Settings:
    """The settings in that config file. Raises ConfigError with all mistakes; warnings are dropped."""
    return load_with_warnings(path).settings


def load_with_warnings(path: Path) -> Loaded:
    """As load, with the warnings. Raises ConfigError, which has the warnings too."""
    path = path.absolute()
    mistakes: list[Finding] = []
    config = _shape(ConfigFile, path, mistakes)
    cells_file = config.path(("cells_file",)) if config else None
    inventory = _inventory(config, cells_file, mistakes) if config and cells_file else None
    warnings: list[Finding] = []
    if config is not None:
        found = check_values(config, inventory)
        mistakes += found.mistakes
        warnings = _ordered(found.warnings, path)
    if mistakes or not (config and config.model and inventory and inventory.model):
        raise ConfigError(_ordered(mistakes, path), warnings)
    sections = {name: getattr(config.model, name) for name in ConfigFile.model_fields}
    return Loaded(Settings(**sections, path=path, cells=_cells(inventory.model)), tuple(warnings))


def _inventory(
    config: Shape[ConfigFile], cells_file: Path, mistakes: list[Finding]
) -> Shape[Inventory] | None:
    """A file that is not there is the fault of the line that names it."""
    if cells_file.exists():
        return _shape(Inventory, cells_file, mistakes)
    what = f"is {cells_file}, which does not exist"
    mistakes.append(config.finding(("cells_file",), what, "make it, or correct the path"))
    return None


def _shape(model: type[ModelT], file: Path, mistakes: list[Finding]) -> Shape[ModelT] | None:
    try:
        root, duplicates = read_document(file)
    except UnreadableError as error:
        mistakes.append(error.finding)
        return None
    shape = Shape(model, file, root)
    mistakes += [*duplicates, *shape.mistakes]
    return shape


def _cells(inventory: Inventory) -> tuple[Cell, ...]:
    return tuple(
        Cell(
            CellName(entry.name),
            Jurisdiction(entry.jurisdiction),
            entry.region,
            entry.endpoints,
            index,
            entry.weight,
            entry.capacity,
            frozenset(entry.tenants),
        )
        for index, entry in enumerate(inventory.cells)
    )


def _ordered(findings: Iterable[Finding], first: Path) -> list[Finding]:
    """By file, the config file before the cells file, and by line."""
    return sorted(findings, key=lambda finding: (finding.file != first, str(finding.file), finding.line))
