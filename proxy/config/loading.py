"""Config file and cells file → Settings, or every mistake of both at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from proxy.config.checks import check_values
from proxy.config.document import UnreadableError, parse_document, read_text
from proxy.config.findings import ConfigError, Finding
from proxy.config.inventory import Inventory
from proxy.config.models import ConfigFile, Settings
from proxy.config.shape import Shape
from proxy.model import Cell, CellName, Jurisdiction

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that may be used, and what its owner should look at all the same.

    texts  what the config file and its cells file held, by absolute path: for `load_again`
    """

    settings: Settings
    warnings: tuple[Finding, ...]
    texts: Mapping[Path, str]


def load(path: Path) -> Settings:
    """The settings in that config file. Raises ConfigError with all mistakes; warnings are dropped."""
    return load_with_warnings(path).settings


def load_with_warnings(
    path: Path,
    *,
    keys: bool = True,
    writing: bool = True,
    judge: Callable[[Shape[ConfigFile]], Iterable[Finding]] = lambda _config: (),
) -> Loaded:
    """As load, with the warnings. Raises ConfigError, which has the warnings too.

    `judge` warns of what this package knows nothing of.

    The files with `keys` of tokens and cookies, and where an edge is `writing`, may be amiss where they are
    not needed: a bad key file must not keep an operator from taking a cell out.
    """
    path = path.absolute()
    texts: dict[Path, str] = {}
    mistakes: list[Finding] = []
    config, inventory = _shapes(path, texts, mistakes)
    warnings: list[Finding] = []
    if config is not None:
        found = check_values(config, inventory, keys=keys, writing=writing)
        mistakes += found.mistakes
        warnings = _ordered((*found.warnings, *judge(config)), path)
    return Loaded(_settings(path, config, inventory, mistakes, warnings), tuple(warnings), texts)


def load_again(path: Path, texts: Mapping[Path, str]) -> Settings:
    """The settings that `load_with_warnings` gave with these texts, whatever the files hold by now.

    Nothing is held against the world again: a key file that has become bad is the affair of who reads it.
    Raises ConfigError when the texts are not of that file, or of another version of this program.
    """
    mistakes: list[Finding] = []
    config, inventory = _shapes(path, dict(texts), mistakes)
    return _settings(path, config, inventory, mistakes, ())


def _settings(
    path: Path,
    config: Shape[ConfigFile] | None,
    inventory: Shape[Inventory] | None,
    mistakes: Sequence[Finding],
    warnings: Sequence[Finding],
) -> Settings:
    if mistakes or not (config and config.model and inventory and inventory.model):
        raise ConfigError(_ordered(mistakes, path), warnings)
    sections = {name: getattr(config.model, name) for name in ConfigFile.model_fields}
    return Settings(**sections, path=path, cells=_cells(inventory.model))


def _shapes(
    path: Path, texts: dict[Path, str], mistakes: list[Finding]
) -> tuple[Shape[ConfigFile] | None, Shape[Inventory] | None]:
    """Of both files. What `texts` lacks is read, once, and added."""
    config = _shape(ConfigFile, path, texts, mistakes)
    if config is not None and config.root.members.keys() == {"cells"}:
        what, mend = "is a cells file, not a config", "name the config whose `cells_file` it is"
        mistakes[:] = [Finding(path, 0, "", what, mend)]
        return None, None
    cells_file = config.path(("cells_file",)) if config else None
    if config is None or cells_file is None:
        return config, None
    return config, _inventory(config, cells_file, texts, mistakes)


def _inventory(
    config: Shape[ConfigFile], cells_file: Path, texts: dict[Path, str], mistakes: list[Finding]
) -> Shape[Inventory] | None:
    """A file that is not there is the fault of the line that names it."""
    if cells_file in texts or cells_file.exists():
        return _shape(Inventory, cells_file, texts, mistakes)
    what = f"is {cells_file}, which does not exist"
    mistakes.append(config.finding(("cells_file",), what, "make it, or correct the path"))
    return None


def _shape(
    model: type[ModelT], file: Path, texts: dict[Path, str], mistakes: list[Finding]
) -> Shape[ModelT] | None:
    try:
        if file not in texts:
            texts[file] = read_text(file)
        root, duplicates = parse_document(file, texts[file])
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
