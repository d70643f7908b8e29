"""Run wrk with ready-made requests, pinned to the load core, and read what it answered."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.servers import MissingError
from bench.peers.traffic import read_requests

MARK: Final = "bench-wrk "
CONNECTIONS: Final = 64
WRONG_SHARE_AT_MOST: Final = 0.001

SCRIPT: Final = """-- Sends the requests of a file one after the other, then from its beginning again.
local ready, count, at = {}, 0, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for head in file:read("*a"):gmatch("(.-\\r\\n\\r\\n)") do
    count = count + 1
    ready[count] = head .. BODY
  end
  file:close()
end

function request()
  at = at % count + 1
  return ready[at]
end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    'bench-wrk {"replies": %d, "duration_s": %f, "not_2xx": %d, "broken": %d}\\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class WrongRepliesError(Exception):
    """A proxy answered other than 2xx, or broke connections, while it was measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk got: complete replies, seconds, replies that are not 2xx, broken connections."""

    replies: int
    duration_s: float
    not_2xx: int
    broken: int

    @property
    def wrong(self) -> int:
        """Requests that did not get what they should."""
        return self.not_2xx + self.broken


def find() -> str:
    """The wrk program; raises MissingError."""
    found = shutil.which("wrk")
    if found is None:
        raise MissingError("apt-get install wrk")
    return found


def write_script(path: Path, body_bytes: int = 0) -> None:
    """Write the Lua script; with `body_bytes` each request carries that many bytes of body."""
    path.write_text(SCRIPT.replace("BODY", f'("x"):rep({body_bytes})' if body_bytes else '""'))


class Wrk:
    """wrk on one core, with one script."""

    def __init__(self, script: Path, core: int, connections: int = CONNECTIONS) -> None:
        self._command = ["taskset", "-c", str(core), find(), "-t", "1", "-c", str(connections)]
        self._command += ["--timeout", "10s", "-s", str(script)]

    def run(self, requests: Path, port: int, duration_s: int) -> Load:
        """Load one port, whatever it answers; raises WrongRepliesError when nothing comes."""
        command = [*self._command, "-d", f"{duration_s}s", f"http://127.0.0.1:{port}/", "--", str(requests)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=duration_s + 60, check=False)
        load = parse(ran.stdout)
        if load is None or not load.replies:
            raise WrongRepliesError(f"wrk got nothing from port {port}: {ran.stdout}{ran.stderr}")
        return load

    def run_well(self, requests: Path, port: int, duration_s: int) -> Load:
        """The same, but raises WrongRepliesError when more than a thousandth of the replies are wrong."""
        load = self.run(requests, port, duration_s)
        if load.wrong > load.replies * WRONG_SHARE_AT_MOST:
            raise WrongRepliesError(f"port {port}: {load}; now it says:\n{_one_reply(requests, port)}")
        return load


def _one_reply(requests: Path, port: int) -> str:
    """What the first request gets now: wrk counts wrong replies, but shows none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(read_requests(requests)[0])
            return connection.recv(2_000).decode("latin-1")
    except OSError as error:
        return str(error)


def parse(output: str) -> Load | None:
    """The summary that the script printed, or None when wrk ended without it."""
    for line in output.splitlines():
        if line.startswith(MARK):
            return Load(**json.loads(line.removeprefix(MARK)))
    return None


def version() -> str:
    """The version that wrk tells."""
    shown = subprocess.run([find(), "-v"], capture_output=True, text=True, check=False).stdout
    return shown.split()[1]
