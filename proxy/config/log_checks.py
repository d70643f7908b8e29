"""What an edge writes: the access log to a file of its own or standard output, snapshots to a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.config.document import KeyPath, key_text
from proxy.config.findings import Finding
from proxy.config.models import ConfigFile
from proxy.config.shape import Shape

_PATH: Final[KeyPath] = ("access_log",)
_STANDARD_ERROR: Final = ("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2")


def check_access_log(config: Shape[ConfigFile]) -> list[Finding]:
    """What would tear its lines, or write them into something else."""
    file = config.path(_PATH)
    if file is None:
        return []
    if str(file) in _STANDARD_ERROR:
        what = "is standard error, where the edge's own messages would tear its lines"
        return [config.finding(_PATH, what, "use `/dev/stdout`, or a file")]
    if file.is_dir():
        return [config.finding(_PATH, "is a folder", "name a file in it, e.g. access.log")]
    if not file.parent.is_dir():
        what = f"is in {file.parent}, which is no folder"
        return [config.finding(_PATH, what, "make the folder, or correct the path")]
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        return [config.finding(_PATH, f"is {file}, which cannot be written", "let the edge's user write it")]
    for name, other in _others(config):
        if _is_same(file, other):
            return [config.finding(_PATH, f"is the file of {name}", "give the log a file of its own")]
    return []


def check_snapshots(config: Shape[ConfigFile]) -> list[Finding]:
    """A folder that can't be written costs no request until the store is away: then nothing is known."""
    path = ("snapshot", "folder")
    folder = config.path(path)
    if folder is None:
        return []
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return []
    what = f"is {folder}, where no snapshot can be written"
    return [config.finding(path, what, f"let the edge's user write in {there}, or name another folder")]


def _others(config: Shape[ConfigFile]) -> Iterator[tuple[str, Path]]:
    """Every other file of the config, with a name for it."""
    yield "this config", config.file
    for path in _below(config, ()):
        file = config.path(path) if path == ("store", "path") or str(path[-1]).endswith("_file") else None
        if file is not None:
            yield f"`{key_text(path)}`", file
            if path == ("store", "path"):
                for end in ("-wal", "-shm", "-journal"):
                    yield f"`{key_text(path)}`", file.with_name(file.name + end)


def _below(config: Shape[ConfigFile], path: KeyPath) -> Iterator[KeyPath]:
    for member in config.keys(path):
        yield member
        yield from _below(config, member)


def _is_same(one: Path, other: Path) -> bool:
    """By whatever links; also of files that are not there yet."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False
