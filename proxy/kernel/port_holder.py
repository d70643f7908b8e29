"""Who listens on a port of this machine, so that a message can name the process and how to end it."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LISTENS: Final = "0A"  # TCP_LISTEN in /proc/net/tcp
_LONGEST_COMMAND: Final = 160
_PROC: Final = Path("/proc")
_STARTED: Final = 19  # of /proc/PID/stat, counted from behind the command's name


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} (`{self.command}`)"


def holder_of(port: int, proc: Path = _PROC) -> Holder | None:
    """The process that listens on the TCP port; of a family the oldest. None if it is not ours to see."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    folders = [folder for folder in proc.iterdir() if folder.name.isdigit()] if sockets else []
    holding = [folder for folder in folders if any(target in sockets for target in _open_files(folder))]
    if not holding:
        return None
    oldest = min(holding, key=_started)
    return Holder(int(oldest.name), _command(oldest))


def cannot_listen(key: str, host: str, port: int, error: OSError) -> str:
    """What is wrong where, and the mend. `key` is the config's, for the address that can't be listened on."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    wrong = f"cannot listen on {key} {host}:{port}: {reason}"
    if error.errno == errno.EADDRINUSE:
        if next(_listening(port), None) is None:
            return (
                f"{wrong}, though nobody listens there: an outgoing connection may hold the port "
                f"(`ss -tan sport = :{port}` shows it). Wait until it has ended, or give {key} a port "
                "outside of net.ipv4.ip_local_port_range"
            )
        holder = holder_of(port)
        if holder is None:
            return f"{wrong}, by a process that is not yours to see (`sudo ss -ltnp` shows it). {_move(key)}"
        return f"{wrong}, by {holder}. End that one (`kill {holder.pid}`), or {_move(key, first=False)}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{wrong}. Give {key} an address of this machine (`ip address` lists them), or 0.0.0.0 for all"
    return f"{wrong}. {_move(key)}"


def _move(key: str, first: bool = True) -> str:
    return f"{'G' if first else 'g'}ive {key} another port"


def _listening(port: int, proc: Path = _PROC) -> Iterator[str]:
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield str(descriptor.readlink())
    except OSError:
        return  # another user's, or it ended while we looked


def _started(process: Path) -> int:
    """Ticks from the machine's start; pids begin anew when the highest was given, so they don't tell."""
    try:
        behind_name = (process / "stat").read_bytes().rpartition(b")")[2]
        return int(behind_name.split()[_STARTED])
    except OSError:
        return sys.maxsize  # it ended while we looked


def _command(process: Path) -> str:
    try:
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    command = shlex.join(argument for argument in arguments if argument)
    return command if len(command) <= _LONGEST_COMMAND else command[: _LONGEST_COMMAND - 1] + "…"
