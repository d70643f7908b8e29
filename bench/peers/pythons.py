"""Which Python runs Home Cell: version, hot path compiled or not, optimised (PGO) build or not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.peers.launch import environment
from bench.peers.servers import MissingError

ASK: Final = """
import json, platform, sysconfig, sys
from pathlib import Path
import proxy.forward.downstream
print(json.dumps({
    "version": platform.python_version(),
    "compiled": not proxy.forward.downstream.__file__.endswith(".py"),
    "config_args": sysconfig.get_config_var("CONFIG_ARGS") or "",
    "base_prefix": sys.base_prefix,
    "dpkg_built": any(Path("/var/lib/dpkg/info").glob(
        f"libpython{sys.version_info[0]}.{sys.version_info[1]}-minimal*.list")),
}))
"""


@dataclass(frozen=True, slots=True)
class PythonBuild:
    """One interpreter with Home Cell installed; `name` is unique within a run.

    tree  where Home Cell's modules are, when not where the interpreter finds them by itself
    """

    executable: Path
    tree: Path | None
    name: str
    version: str
    compiled: bool
    optimised: bool

    @property
    def label(self) -> str:
        """How tables call Home Cell run by it."""
        kind = "compiled" if self.compiled else "interpreted"
        return f"Home Cell, {kind}, Python {self.version}{'' if self.optimised else ' (unoptimised build)'}"


def is_optimised(config_args: str, base_prefix: str, dpkg_built: bool) -> bool:
    """Whether CPython was built with profile-guided optimisation.

    Builders say it with `--enable-optimizations` (python.org's images, Fedora, conda,
    python-build-standalone). Debian and Ubuntu run the same `profile-opt` target from their own rules, and
    it leaves no trace in sysconfig: there the interpreter is known by its prefix and its package.
    """
    return "--enable-optimizations" in config_args or (base_prefix == "/usr" and dpkg_built)


def inspect(executable: Path, tree: Path | None) -> PythonBuild:
    """Ask one interpreter; raises MissingError when Home Cell cannot be imported by it."""
    ran = subprocess.run(
        [executable, "-P", "-c", ASK], capture_output=True, text=True, env=environment(tree), check=False
    )
    if ran.returncode:
        last = ran.stderr.strip().splitlines()[-1:]
        raise MissingError(f"{executable} -m pip install -e .   (it says: {' '.join(last)})")
    found = json.loads(ran.stdout)
    compiled = bool(found["compiled"])
    return PythonBuild(
        executable=executable,
        tree=tree,
        name="compiled" if compiled else "interpreted",
        version=found["version"],
        compiled=compiled,
        optimised=is_optimised(found["config_args"], found["base_prefix"], found["dpkg_built"]),
    )


def inspect_compiled(executable: Path, tree: Path) -> PythonBuild:
    """Ask one interpreter about the compiled tree; raises MissingError when it is missing or not compiled."""
    if not tree.is_dir():
        raise MissingError("make compiled")
    build = inspect(executable, tree)
    if not build.compiled:
        raise MissingError(f"make compiled, by Python {build.version} and with a C compiler")
    return build


def distinct(builds: Sequence[PythonBuild]) -> list[PythonBuild]:
    """The same builds, each with a name of its own: version and number are added where two are alike."""
    named: list[PythonBuild] = []
    for build in builds:
        name, count = build.name, 1
        while name in {other.name for other in named}:
            name = f"{build.name}-{build.version}" + (f"-{count}" if count > 1 else "")
            count += 1
        named.append(replace(build, name=name))
    return named
