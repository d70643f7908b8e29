"""What a supervisor and its workers hand each other as memory: content that nobody can change any more.

The supervisor's: the texts of the config, so that all its workers run the same one, whatever is on the disk
by then. A worker's: the last good JWK Set that it read, for those who start while the file is broken.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def sealed(content: bytes) -> int:
    """A descriptor of memory that holds this content for ever. Raises OSError."""
    descriptor = os.memfd_create("homecell", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as stream:  # a descriptor has no path
            stream.write(content)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def content(descriptor: int) -> bytes:
    """What was sealed. The place in it, which all who have the descriptor share, stays where it is."""
    size_bytes = os.fstat(descriptor).st_size
    parts = []
    done_bytes = 0
    while done_bytes < size_bytes:
        parts.append(os.pread(descriptor, size_bytes - done_bytes, done_bytes))
        done_bytes += len(parts[-1])
    return b"".join(parts)


def encode_texts(texts: Mapping[Path, str]) -> bytes:
    """Texts of files, to be sealed."""
    return json.dumps({str(path): text for path, text in texts.items()}).encode()


def decode_texts(encoded: bytes) -> dict[Path, str]:
    """What `encode_texts` was given."""
    return {Path(path): text for path, text in json.loads(encoded).items()}
