"""`make load`: runs bench/locustfile.py against the demo that runs, or one that it starts and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from bench.demo.layout import DEFAULT_PORT, HIGHEST_PORT, Layout
from bench.demo.tied import tied

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
_READY_S: Final = 30.0
_UI_PORT: Final = 8089


@click.command()
@click.option(
    "--ui", is_flag=True, help=f"Locust's web page on 127.0.0.1:{_UI_PORT} instead of a run of its own."
)
@click.option(
    "--seconds",
    envvar="LOAD_SECONDS",
    show_envvar=True,
    default=60,
    show_default=True,
    help="How long to run.",
)
@click.option("--people", default=40, show_default=True, help="How many visit at the same time.")
@click.option(
    "--port",
    envvar="DEMO_PORT",
    show_envvar=True,
    type=click.IntRange(1, HIGHEST_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port of the demo's EU edge.",
)
@click.option("--directory", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
def main(ui: bool, seconds: int, people: int, port: int, directory: Path) -> None:
    """People-like traffic over all cells; fails if a reply came from a wrong cell or a healthy one failed."""
    signal.signal(signal.SIGTERM, _end_by_exit)  # so that the demo is ended too
    layout = Layout(directory.resolve(), port)
    with _demo(layout):
        sys.exit(_locust(layout, ui, seconds, people))


@contextmanager
def _demo(layout: Layout) -> Iterator[None]:
    """A demo that is ready: the one that runs already, or else one for the time of the block."""
    if _is_ready(layout):
        yield
        return
    command = [sys.executable, "-m", "bench.demo", "--no-traffic", "--port", str(layout.port)]
    demo = subprocess.Popen(tied([*command, "--directory", str(layout.directory)]), start_new_session=True)
    try:
        _await_ready(layout, demo)
        yield
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait()


def _await_ready(layout: Layout, demo: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not _is_ready(layout):
        if demo.poll() is not None:
            sys.exit(demo.returncode or 1)
        if time.monotonic() > deadline_s:
            sys.exit(
                f"the demo was not ready within {_READY_S:.0f} s; its logs are in {layout.directory / 'logs'}"
            )
        time.sleep(0.1)


def _is_ready(layout: Layout) -> bool:
    """Whether both edges answer; the US edge is the last that a demo starts."""
    try:
        for edge in layout.edges:
            urllib.request.urlopen(edge.admin_url + "/-/ready", timeout=1.0).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def _locust(layout: Layout, ui: bool, seconds: int, people: int) -> int:
    """Locust's exit code."""
    results = layout.directory / "load"
    results.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--users", str(people)]
    command += [
        "--spawn-rate",
        str(people / 4),
        "--demo",
        str(layout.directory),
        "--demo-port",
        str(layout.port),
    ]
    if ui:
        command += ["--web-host", "127.0.0.1", "--web-port", str(_UI_PORT)]
    else:
        command += [
            "--headless",
            "--only-summary",
            "--run-time",
            f"{seconds}s",
            "--html",
            str(results / "locust.html"),
        ]
    return _run(command)


def _run(command: list[str]) -> int:
    """In a session of its own: Ctrl-C is passed on once, and then locust stops and reports."""
    with subprocess.Popen(command, start_new_session=True) as locust:
        try:
            return locust.wait()
        except KeyboardInterrupt:
            locust.send_signal(signal.SIGINT)
            return locust.wait()
        finally:
            locust.terminate()


def _end_by_exit(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(1)


if __name__ == "__main__":
    main()
