"""Where everything of one demo is: its directory, its ports, the config of each edge. Starts nothing."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import yaml

Yaml: TypeAlias = "dict[str, Yaml] | list[Yaml] | str | int | float | bool | None"

DEFAULT_PORT: Final = 8080
"""The EU edge's port in configs/demo.yaml; another one moves every port of the demo by the difference."""

HOMECELL: Final = Path(sys.executable).with_name("homecell")
"""The command line, as installed beside the Python that runs this."""

CONFIGS: Final = Path(__file__).resolve().parents[2] / "configs"
_DEMO_PATH: Final = "../.demo/"
_LOOPBACK: Final = re.compile(r"(?<=127\.0\.0\.1:)\d+")


@dataclass(frozen=True, slots=True)
class EdgeLayout:
    """One edge on loopback; `tag` names its files."""

    tag: str
    port: int
    admin_port: int
    workers: int

    @property
    def name(self) -> str:
        return f"edge-{self.tag}-1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"


@dataclass(frozen=True, slots=True)
class Layout:
    """One demo. `port` is the EU edge's; the others keep their distance to it."""

    directory: Path
    port: int = DEFAULT_PORT

    @property
    def eu(self) -> EdgeLayout:
        return EdgeLayout("eu", self.port, self.port + 1000, workers=2)

    @property
    def us(self) -> EdgeLayout:
        return EdgeLayout("us", self.port + 1, self.port + 1001, workers=1)

    @property
    def edges(self) -> tuple[EdgeLayout, ...]:
        return (self.eu, self.us)

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def store(self) -> Path:
        return self.directory / "home.sqlite"

    def config(self, edge: EdgeLayout) -> Path:
        return self.directory / f"edge-{edge.tag}.yaml"

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def write_configs(self) -> None:
        """Copies of configs/demo.yaml and configs/cells.yaml that fit this directory and these ports."""
        shift = self.port - DEFAULT_PORT
        cells = moved(_read("cells.yaml"), shift)
        (self.directory / "cells.yaml").write_text(_dump("The demo's inventory.", cells), encoding="utf-8")
        for edge in self.edges:
            settings = moved(_read("demo.yaml"), shift)
            text = _dump(f"The demo's {edge.tag} edge.", _for_edge(settings, edge))
            self.config(edge).write_text(text, encoding="utf-8")


def moved(value: Yaml, shift: int) -> Yaml:
    """The same config for a file in the demo's directory, every loopback port moved by `shift`."""
    if isinstance(value, dict):
        return {key: moved(item, shift) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, shift) for item in value]
    if isinstance(value, str):
        return _LOOPBACK.sub(lambda port: str(int(port[0]) + shift), value.removeprefix(_DEMO_PATH))
    return value


def _for_edge(settings: Yaml, edge: EdgeLayout) -> Yaml:
    if not isinstance(settings, dict):
        raise TypeError("configs/demo.yaml is not a mapping")
    listening: Yaml = {
        "name": edge.name,
        "jurisdiction": edge.tag,
        "listen": f"127.0.0.1:{edge.port}",
        "admin": f"127.0.0.1:{edge.admin_port}",
        "workers": edge.workers,
    }
    return {**settings, "edge": listening, "access_log": f"access-{edge.tag}.log"}


def _read(name: str) -> Yaml:
    loaded: Yaml = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    return loaded


def _dump(title: str, value: Yaml) -> str:
    head = f"# {title} Made by `make demo` from configs/; written anew at each start.\n"
    return head + yaml.safe_dump(value, sort_keys=False)
