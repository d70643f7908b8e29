"""A program that was started with closed standard streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLOSED = """
import os, socket, sys
for number in map(int, sys.argv[2:]):
    os.close(number)
from proxy.kernel.standard_streams import open_standard_streams
open_standard_streams()
taken = socket.socket().fileno()
told = [os.readlink(f"/proc/self/fd/{number}") for number in map(int, sys.argv[2:])]
with open(sys.argv[1], "w") as file:
    print(taken > 2, os.get_inheritable(0), *told, file=file)
"""


@pytest.mark.parametrize("closed", [["0"], ["1"], ["0", "1", "2"]])
def test_each_closed_standard_stream_becomes_dev_null(tmp_path: Path, closed: list[str]) -> None:
    told = tmp_path / "told"
    subprocess.run([sys.executable, "-c", CLOSED, str(told), *closed], check=True)
    assert told.read_text().split() == ["True", "True", *["/dev/null"] * len(closed)]


def test_streams_that_are_open_stay_what_they_are(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with (tmp_path / "input").open("w+") as stream:
        subprocess.run([sys.executable, "-c", CLOSED, str(told)], check=True, stdin=stream)
    assert told.read_text().split() == ["True", "True"]
