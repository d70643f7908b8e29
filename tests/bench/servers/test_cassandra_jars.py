"""Cassandra's jars are fetched once, however many processes want them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bench.servers.cassandra_jars import cassandra_jars

MVN = """\
#!/bin/sh
echo fetched >> "$FETCHES"
for word; do
  case "$word" in -DoutputDirectory=*) mkdir "${word#*=}";; esac
done
"""


def test_of_several_who_want_the_jars_one_fetches_them_and_all_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven, fetches = tmp_path / "mvn", tmp_path / "fetches"
    maven.write_text(MVN)
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("FETCHES", str(fetches))
    together = Barrier(4)

    def want(_: int) -> Path:
        together.wait()
        return cassandra_jars(tmp_path / "run")

    with ThreadPoolExecutor(4) as threads:
        (jars,) = set(threads.map(want, range(4)))
    assert jars.is_dir()
    assert fetches.read_text() == "fetched\n"
