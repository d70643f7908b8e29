"""Where log lines go: a file to append to, a pipe, or a standard stream. Whole lines only, never waiting."""

from __future__ import annotations

import os
import select
import socket
import stat
from typing import Final, Protocol

_STANDARD: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Descriptors of the standard streams, by the names that stand for them."""
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC


class LogTargetError(Exception):
    """The target of a log can't be opened; the message names it and says why."""


class _Sink(Protocol):
    def fileno(self) -> int: ...
    def write(self, block: bytes) -> int: ...
    def close(self) -> None: ...


class _FileSink:
    """A file or pipe; `descriptor` becomes its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def write(self, block: bytes) -> int:
        return os.write(self._descriptor, block)

    def close(self) -> None:
        os.close(self._descriptor)


class _SocketSink:
    """A standard stream as a socket (a journal): it can't be opened anew, so each call says not to block."""

    def __init__(self, stream: int) -> None:
        self._socket = socket.socket(fileno=os.dup(stream))

    def fileno(self) -> int:
        return self._socket.fileno()

    def write(self, block: bytes) -> int:
        return self._socket.send(block, socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._socket.close()


class LogTarget:
    """Writes blocks of lines. A reader that is too slow, or a full disk, costs lines, never time.

    Several processes may write to one target. Raises LogTargetError when it can't be opened.
    """

    __slots__ = ("_cut", "_is_pipe", "_name", "_sink")

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._use(_open(name))

    def write(self, lines: list[bytes]) -> int:
        """Write these lines (each with its line end); returns how many were dropped."""
        if not self._is_pipe:
            return self._write_block(lines)
        return sum(self._write_block(block) for block in _atomic_blocks(lines))

    def reopen(self) -> None:
        """Open the name anew. Raises LogTargetError, and then the old target stays in use."""
        old, new = self._sink, _open(self._name)
        self._use(new)
        old.close()

    def close(self) -> None:
        """Release the descriptor; no call may follow."""
        self._sink.close()

    def _use(self, sink: _Sink) -> None:
        self._sink = sink
        self._is_pipe = stat.S_ISFIFO(os.fstat(sink.fileno()).st_mode)
        self._cut = b""

    def _write_block(self, lines: list[bytes]) -> int:
        """One write. What an earlier short write cut off goes first, so that its line is whole after all."""
        block = self._cut + b"".join(lines)
        try:
            written = self._sink.write(block)
        except OSError:  # full, or nobody reads any more
            return len(lines)
        if written == len(block):
            self._cut = b""
            return 0
        end = block.find(b"\n", max(written - 1, 0)) + 1
        self._cut = block[written:end]
        return block.count(b"\n", end)


def _open(name: str) -> _Sink:
    try:
        stream = _STANDARD.get(name)
        return _FileSink(os.open(name, _FLAGS, 0o640)) if stream is None else _open_standard(name, stream)
    except OSError as error:
        raise LogTargetError(f"cannot open the log {name!r}: {error.strerror}") from error


def _open_standard(name: str, stream: int) -> _Sink:
    """A file is shared, and the place in it, with who else writes to the stream: none overwrites the other's.

    Pipes and terminals have no place to share, and are opened anew: then our O_NONBLOCK is nobody else's.
    """
    mode = os.fstat(stream).st_mode
    if stat.S_ISSOCK(mode):
        return _SocketSink(stream)
    if stat.S_ISREG(mode):
        return _FileSink(os.dup(stream))
    return _FileSink(os.open(name, _FLAGS, 0o640))


def _atomic_blocks(lines: list[bytes]) -> list[list[bytes]]:
    """Blocks within PIPE_BUF: written whole or not at all, never mixed with another writer's (pipe(7))."""
    blocks: list[list[bytes]] = []
    room = 0
    for line in lines:
        if len(line) > room:
            blocks.append([])
            room = select.PIPE_BUF
        blocks[-1].append(line)
        room -= len(line)
    return blocks
