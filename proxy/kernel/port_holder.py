"""Who listens on a port of this machine, so that a message can name the process and how to end it."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LISTENS: Final = "0A"  # TCP_LISTEN in /proc/net/tcp
_LONGEST_COMMAND: Final = 160


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} (`{self.command}`)"


def holder_of(port: int) -> Holder | None:
    """The process that listens on the TCP port; of a family the oldest. None if it is not ours to see."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    pids = sorted(int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
    for pid in pids if sockets else ():
        if any(target in sockets for target in _open_files(pid)):
            return Holder(pid, _command(pid))
    return None


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


def _listening(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(pid: int) -> Iterator[str]:
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            yield str(descriptor.readlink())
    except OSError:
        return  # another user's, or it ended while we looked


def _command(pid: int) -> str:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    command = shlex.join(argument for argument in arguments if argument)
    return command if len(command) <= _LONGEST_COMMAND else command[: _LONGEST_COMMAND - 1] + "…"
