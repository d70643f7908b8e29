"""A fresh site for each test; its keys are made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxy.config.site import Site, make_keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("demo") / "keys")


@pytest.fixture
def site(tmp_path: Path, keys: Path) -> Site:
    return Site(tmp_path / "site", keys)
