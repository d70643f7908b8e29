"""Snapshots on disk: written whole or not at all, read without ever raising. Blocks: for threads only."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lookup.snapshot import Ignored, Knowledge, Reason, unseal

MAX_BYTES: Final = 256 * 1024 * 1024
"""A larger file is not read: it can't come from a sane bound on entries."""

_SUFFIX: Final = ".snapshot"
_DRAFT_SUFFIX: Final = ".draft"


class SnapshotFiles:
    """The files of one edge in a folder, one for each worker slot. Several edges may share the folder."""

    def __init__(self, folder: Path, edge: str, slot: int) -> None:
        self._folder = folder
        self._edge = edge
        self._writing = threading.Lock()  # a worker that ends may write while its last regular one still runs
        self.own: Final = folder / f"{edge}.{slot}{_SUFFIX}"

    def all(self) -> Sequence[Path]:
        """Every slot's file that there is, the own one last. Raises nothing."""
        try:
            found = sorted(self._folder.glob(f"{self._edge}.*{_SUFFIX}"))
        except OSError:
            found = []
        return [*(path for path in found if path != self.own), self.own]

    def write(self, content: bytes) -> None:
        """Put it in place of the former one; for the owner's eyes only, as it names users. Raises OSError.

        Whatever happens, the former one stays or the new one is there whole.
        """
        with self._writing:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._drop_strays()
            self._write(self.own.with_suffix(f".{os.getpid()}{_DRAFT_SUFFIX}"), content)

    def _write(self, draft: Path, content: bytes) -> None:
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.own)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _drop_strays(self) -> None:
        """Remove what this slot's former workers had begun when they were killed."""
        for stray in self._folder.glob(f"{self.own.stem}.*{_DRAFT_SUFFIX}"):
            if not Path("/proc", stray.stem.rpartition(".")[2]).exists():
                stray.unlink(missing_ok=True)


def read_snapshot(path: Path, origin: str) -> Knowledge | Ignored:
    """What the file knows of the store that `origin` names."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return Ignored(Reason.TOO_LARGE, f"more than {MAX_BYTES} bytes")
        content = path.read_bytes()
    except FileNotFoundError:
        return Ignored(Reason.MISSING)
    except OSError as error:
        return Ignored(Reason.UNREADABLE, error.strerror or str(error))
    return unseal(content, origin)
