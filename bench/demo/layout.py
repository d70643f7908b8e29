"""Where everything of one demo is: its directory, its ports, the config of each edge. Starts nothing."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.model import Cell

DEFAULT_PORT: Final = 8080
"""The EU edge's port in configs/demo.yaml; another one moves every port of the demo by the difference."""

HIGHEST_PORT: Final = 65_535 - 1001
"""With it the US edge's admin port, the highest of the demo, is the highest that there is."""

HOOKS_FURTHER: Final = 100
"""From a sample cell's port to the one for its webhooks, which clients can't reach through the edge."""

HOMECELL: Final = Path(sys.executable).with_name("homecell")
"""The command line, as installed beside the Python that runs this."""

CONFIGS: Final = Path(__file__).resolve().parents[2] / "configs"
_DEMO_PATH: Final = "../.demo/"
_EMBEDDED: Final = "store:\n  kind: sqlite\n  path: home.sqlite\n"
_LOOPBACK_PORT: Final = re.compile(r"(?<=127\.0\.0\.1:)\d+")


@dataclass(frozen=True, slots=True)
class EdgeLayout:
    """One edge on loopback; `config` is the name of its file, `jurisdiction` whose law it is under."""

    jurisdiction: str
    config: str
    port: int
    admin_port: int

    @property
    def name(self) -> str:
        return f"{self.jurisdiction}-edge"

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
        return EdgeLayout("eu", "demo.yaml", self.port, self.port + 1000)

    @property
    def us(self) -> EdgeLayout:
        return EdgeLayout("us", "us-edge.yaml", self.port + 1, self.port + 1001)

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
        return self.directory / edge.config

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def write_configs(self, store: str = "") -> None:
        """Copies of the demo's configs, comments and all, that fit this directory and these ports.

        store   sections that name another store than the embedded one
        """
        for name in ("cells.yaml", *(edge.config for edge in self.edges)):
            text = (CONFIGS / name).read_text(encoding="utf-8")
            note = f"# A copy of configs/{name}, written anew whenever the demo starts.\n"
            copy = moved(text, self.port - DEFAULT_PORT)
            if store:
                copy = copy.replace(_EMBEDDED, store)
            (self.directory / name).write_text(note + copy, encoding="utf-8")


def moved(config: str, shift: int) -> str:
    """The config for a file inside the demo's directory, with every loopback port moved by `shift`."""
    return _LOOPBACK_PORT.sub(lambda port: str(int(port[0]) + shift), config.replace(_DEMO_PATH, ""))


def cell_url(cell: Cell) -> str:
    return f"http://{cell.endpoints[0].host}:{cell.endpoints[0].port}"


def hooks_port(cell: Cell) -> int:
    return cell.endpoints[0].port + HOOKS_FURTHER


def hooks_url(cell: Cell) -> str:
    return f"http://{cell.endpoints[0].host}:{hooks_port(cell)}"
