"""Cassandra and what it needs, fetched from Maven once into a folder that git ignores."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.servers.process import ServerError

VERSION: Final = "5.0.6"
RUN_FOLDER: Final = Path(__file__).resolve().parents[2] / ".run"
"""Of the project; git ignores it."""

_JAVA_VERSION: Final = "17"

_POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>homecell</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""


def find_java() -> str:
    """The `java` program, of the version that this Cassandra runs on. Raises ServerError with the mend."""
    found = shutil.which("java")
    if found is None:
        raise ServerError("no java: apt-get install openjdk-17-jre-headless")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or version[1] != _JAVA_VERSION:
        raise ServerError(
            f"{found} is not Java {_JAVA_VERSION}: apt-get install openjdk-17-jre-headless, "
            "and put it first on the PATH"
        )
    return found


def cassandra_jars(run_folder: Path = RUN_FOLDER) -> Path:
    """The folder of jars, fetched when it is not there yet. Raises ServerError with the mend.

    Of several processes that want them one fetches, and the others wait for it.
    """
    folder = run_folder / f"cassandra-{VERSION}"
    jars = folder / "lib"
    if not jars.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not jars.is_dir():
                _fetch(folder, jars)
    return jars


def _fetch(folder: Path, jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerError("no mvn to fetch Cassandra with: apt-get install maven")
    arriving = folder / "arriving"
    shutil.rmtree(arriving, ignore_errors=True)
    (folder / "pom.xml").write_text(_POM, encoding="utf-8")
    goal = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
    command = [maven, "-q", "-B", goal, f"-DoutputDirectory={arriving}", "-DincludeScope=runtime"]
    fetched = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        raise ServerError(f"mvn could not fetch Cassandra {VERSION}:\n{fetched.stdout[-2000:]}")
    arriving.rename(jars)
