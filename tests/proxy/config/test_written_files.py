"""What an edge writes: where it can't, the check of the config says so before it starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.proxy.config.site import Site

SNAPSHOT = ("access_log: access.log", "access_log: access.log\nsnapshot: {folder: kept/snapshots}")


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """What the edge's user can't write; a test's own user may be one who can write everything."""
    paths: set[Path] = set()

    def access(path: Path, mode: int) -> bool:
        return not (mode & os.W_OK and path in paths)

    monkeypatch.setattr(os, "access", access)
    return paths


def test_an_access_log_that_cannot_be_written_is_a_mistake(site: Site, unwritable: set[Path]) -> None:
    unwritable.add(site.folder)
    mistake = "edge.yaml:37: access_log is access.log, which cannot be written; let the edge's user write it"
    assert site.mistakes() == [mistake]
    (site.folder / "access.log").touch()
    assert site.mistakes() == []
    unwritable.add(site.folder / "access.log")
    assert site.mistakes() == [mistake]


def test_a_folder_where_no_snapshot_can_be_written_is_warned_of(site: Site, unwritable: set[Path]) -> None:
    site.spoil(SNAPSHOT)
    assert warned(site) == []
    (site.folder / "access.log").touch()
    unwritable.add(site.folder)
    (warning,) = warned(site)
    assert (
        "snapshot.folder is kept/snapshots, where no snapshot can be written; let the edge's user" in warning
    )
    (site.folder / "kept").mkdir()
    assert warned(site) == []


def test_a_file_in_the_place_of_the_snapshots_folder_is_warned_of(site: Site) -> None:
    site.spoil(SNAPSHOT)
    (site.folder / "kept").touch()
    assert len(warned(site)) == 1


def warned(site: Site) -> list[str]:
    return [warning for warning in site.warnings() if "snapshot" in warning]
