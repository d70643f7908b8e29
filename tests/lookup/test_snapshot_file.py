"""Snapshots on a real disk: whole or not at all, whatever happens to folder and file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lookup.snapshot import Ignored, Knowledge, Reason
from lookup.snapshot_file import MAX_BYTES, SnapshotFiles, read_snapshot
from tests.lookup.test_snapshot import KNOWLEDGE, ORIGIN, sealed


def files(folder: Path, slot: int = 0, edge: str = "edge-1") -> SnapshotFiles:
    return SnapshotFiles(folder, edge, slot)


def reason(path: Path) -> Reason:
    read = read_snapshot(path, ORIGIN)
    assert isinstance(read, Ignored)
    return read.reason


def test_a_snapshot_is_written_into_a_folder_that_is_made_for_it_and_read_back(tmp_path: Path) -> None:
    mine = files(tmp_path / "a" / "b")
    mine.write(sealed())
    assert read_snapshot(mine.own, ORIGIN) == KNOWLEDGE
    assert [path.name for path in mine.own.parent.iterdir()] == ["edge-1.0.snapshot"]


def test_nobody_but_its_owner_can_read_a_snapshot(tmp_path: Path) -> None:
    mine = files(tmp_path)
    mine.write(sealed())
    assert mine.own.stat().st_mode & 0o077 == 0


def test_a_worker_reads_those_of_its_edge_and_its_own_last(tmp_path: Path) -> None:
    for slot in (0, 1, 2):
        files(tmp_path, slot).write(b"")
    files(tmp_path, edge="edge").write(b"")
    assert [path.name for path in files(tmp_path, 1).all()] == [
        "edge-1.0.snapshot",
        "edge-1.2.snapshot",
        "edge-1.1.snapshot",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_on_a_full_disk_the_former_snapshot_stays_and_no_draft_is_left(
    tmp_path: Path,
) -> None:
    mine = files(tmp_path)
    mine.write(sealed())
    draft = mine.own.with_suffix(f".{os.getpid()}.draft")
    draft.symlink_to("/dev/full")
    with pytest.raises(OSError) as failure:
        mine.write(b"newer" * 10_000)
    assert failure.value.errno == errno.ENOSPC
    assert read_snapshot(mine.own, ORIGIN) == KNOWLEDGE
    assert list(tmp_path.iterdir()) == [mine.own]


def test_a_draft_that_a_killed_worker_left_is_removed_and_one_of_a_living_worker_is_not(
    tmp_path: Path,
) -> None:
    mine = files(tmp_path)
    dead, living = tmp_path / "edge-1.0.99999999.draft", tmp_path / f"edge-1.0.{os.getppid()}.draft"
    dead.touch()
    living.touch()
    mine.write(sealed())
    assert set(tmp_path.iterdir()) == {mine.own, living}


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder, huge = tmp_path / "edge-1.0.snapshot", tmp_path / "huge.snapshot"
    folder.mkdir()
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert reason(tmp_path / "none.snapshot") is Reason.MISSING
    assert reason(folder) is Reason.UNREADABLE
    assert reason(huge) is Reason.TOO_LARGE


def test_a_folder_that_is_not_there_holds_no_snapshot(tmp_path: Path) -> None:
    mine = files(tmp_path / "none")
    assert list(mine.all()) == [mine.own]
    assert not isinstance(read_snapshot(mine.own, ORIGIN), Knowledge)
