"""A backup that never ends: run with PATH; says "going" once a lot of it is on the disk, and goes on."""

from __future__ import annotations

import sys
from pathlib import Path

from lookup.backup_file import BackupWriter
from lookup.backup_format import Header
from tests.lookup.fakes import home


def write_for_ever(path: Path) -> None:
    """Until killed."""
    with BackupWriter(path) as writer:
        writer.begin(Header(1.0, "g", 1))
        writer.flags([])
        block = 0
        while True:
            writer.records([home(f"user:{block}-{number}") for number in range(10_000)])
            block += 1
            if block == 5:
                print("going", flush=True)


if __name__ == "__main__":
    write_for_ever(Path(sys.argv[1]))
