"""A small sound config with its cells and keys in a folder, to be spoilt in one place or several."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from proxy.config import ConfigError, Finding, Loaded, Settings, load, load_with_warnings
from proxy.rooms.mint import write_demo_keys

EDGE: Final = """\
edge:
  name: edge-1
  jurisdiction: eu
  listen: "127.0.0.1:8080"
  admin: "127.0.0.1:9080"
  workers: 2
cells_file: cells.yaml
store: {kind: sqlite, path: home.sqlite}
residency:
  eu: {allow: [eu], edge_url: "http://127.0.0.1:8080"}
  us: {allow: [us, eu], edge_url: "http://127.0.0.1:8081"}
identity:
  order: [bearer, session_cookie, routing_cookie]
  issuer: https://id.example
  audience: demo
  keys:
    - {id: k1, algorithm: HS256, secret_file: keys/hs256.secret}
    - id: k2
      algorithm: RS256
      public_key_file: keys/rs256.pub.pem
  jwks_file: keys/jwks.json
routing_cookie:
  keys:
    - {id: c1, secret_file: keys/cookie-1.secret}
lookup:
  refresh_s: 60
  expiry_s: 300
  hard_stale_s: 86400
routes:
  - prefix: /status
    fallback: static
    static: {status: 200, body: "{}"}
  - prefix: /
limits:
  connect_timeout_s: 1
  request_timeout_s: 3
access_log: access.log
"""

CELLS: Final = """\
cells:
  - name: eu-1
    jurisdiction: eu
    region: eu-west
    endpoints: ["127.0.0.1:8101"]
  - name: us-1
    jurisdiction: us
    region: us-east
    endpoints: ["127.0.0.1:8102", "cell.example:8102"]
"""


class Site:
    """A folder with edge.yaml, cells.yaml and keys."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder = folder
        self.edge = folder / "edge.yaml"
        self.cells = folder / "cells.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(keys, folder / "keys")
        (folder / "home.sqlite").touch()
        self.write()

    def write(self, edge: str = EDGE, cells: str = CELLS) -> None:
        self.edge.write_text(edge, encoding="utf-8")
        self.cells.write_text(cells, encoding="utf-8")

    def spoil(self, *changes: tuple[str, str]) -> None:
        """Replace texts, each of which stands in exactly one of the two files, once."""
        for old, new in changes:
            files = [file for file in (self.edge, self.cells) if old in file.read_text(encoding="utf-8")]
            assert len(files) == 1, old
            text = files[0].read_text(encoding="utf-8")
            assert text.count(old) == 1, old
            files[0].write_text(text.replace(old, new), encoding="utf-8")

    def load(self) -> Settings:
        return load(self.edge)

    def load_with_warnings(self) -> Loaded:
        return load_with_warnings(self.edge)

    def mistakes(self) -> list[str]:
        """The mistakes as `file:line: key what; mend`, files relative to the folder."""
        try:
            self.load()
        except ConfigError as error:
            return self.relative(error.mistakes)
        return []

    def warnings(self) -> list[str]:
        return self.relative(self.load_with_warnings().warnings)

    def relative(self, findings: tuple[Finding, ...]) -> list[str]:
        return [str(finding).replace(f"{self.folder}/", "") for finding in findings]


def make_keys(folder: Path) -> Path:
    """The demo's keys in `folder`, made once for many sites."""
    write_demo_keys(folder)
    return folder
