"""What a hook's command is given, and that all of it ends with its driver: real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from lookup.hooks import HookFailedError, OperatorHooks
from lookup.moves import Move, MoveOrder, Step
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S

MOVE: Final = Move(
    MoveOrder("op-1", "user:1", "cell-b"), "cell-a", "eu", 4, Step.COPYING, NOW_S, NOW_S, attempt=3
)
PROCESSES: Final = 3

DRIVER: Final = """
import asyncio, sys
from lookup.hooks import OperatorHooks
from tests.lookup.test_hook_child import MOVE
asyncio.run(OperatorHooks(60.0).run(sys.argv[1], MOVE))
"""


def spreading(pids: Path) -> str:
    """A command that starts another in its group and one in a session of its own; all run for long."""
    script = pids.with_suffix(".sh")
    another = f"sh -c 'echo $$ >> {pids}; sleep 300; true'"
    script.write_text(f"setsid {another} &\n{another} &\necho $$ >> {pids}\nwait\n")
    return f"sh {script}"


def noted(pids: Path) -> list[int]:
    return [int(line) for line in pids.read_text().split()] if pids.exists() else []


def all_ended(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@asynchronous
@pytest.mark.skipif(sys.platform != "linux", reason="ties commands to drivers on Linux only")
async def test_a_command_ends_with_all_that_it_started_when_its_driver_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    driver = await asyncio.create_subprocess_exec(sys.executable, "-c", DRIVER, spreading(pids))
    await until(lambda: len(noted(pids)) == PROCESSES)
    driver.send_signal(signal.SIGKILL)
    await driver.wait()
    await until(lambda: all_ended(noted(pids)))


@asynchronous
@pytest.mark.skipif(sys.platform != "linux", reason="finds what left its group on Linux only")
async def test_a_command_has_ended_with_all_that_it_started_when_it_was_cancelled(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hook = asyncio.create_task(OperatorHooks(60.0).run(spreading(pids), MOVE))
    await until(lambda: len(noted(pids)) == PROCESSES)
    hook.cancel()
    await asyncio.wait((hook,))
    assert hook.cancelled()
    assert all_ended(noted(pids))


@asynchronous
async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(HookFailedError, match="did not end within"):
        await OperatorHooks(0.5).run(spreading(tmp_path / "pids"), MOVE)
    assert all_ended(noted(tmp_path / "pids"))


@asynchronous
async def test_a_command_is_told_of_the_move_and_reads_nothing(tmp_path: Path) -> None:
    told = tmp_path / "told"
    await OperatorHooks(10.0).run(f"sh -c 'cat; env > {told}'", MOVE)
    facts = dict(line.partition("=")[::2] for line in told.read_text().splitlines())
    told_of = {name for name in facts if name.startswith("HOMECELL_")} - os.environ.keys()
    assert {name: facts[name] for name in told_of} == {
        "HOMECELL_OPERATION": "op-1",
        "HOMECELL_STEP": "copying",
        "HOMECELL_KEY": "user:1",
        "HOMECELL_SOURCE": "cell-a",
        "HOMECELL_TARGET": "cell-b",
        "HOMECELL_EPOCH": "5",
        "HOMECELL_ATTEMPT": "3",
    }


@asynchronous
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("sh -c 'echo the disk is full; exit 3'", "status 3: the disk is full"),
        ("sh -c 'kill -9 $$'", "status 137"),
        ("sh -c 'kill -PIPE $$'", "status 141"),
        ("/nowhere/at/all", "can't be started: No such file"),
    ],
)
async def test_how_a_command_failed_is_told(command: str, says: str) -> None:
    with pytest.raises(HookFailedError, match=says):
        await OperatorHooks(10.0).run(command, MOVE)


@asynchronous
async def test_a_background_process_that_a_command_leaves_does_not_hide_how_it_ended(tmp_path: Path) -> None:
    left = tmp_path / "left"
    await OperatorHooks(10.0).run(f"sh -c '(sleep 300 >/dev/null 2>&1 & echo $! > {left})'", MOVE)
    os.kill(int(left.read_text()), signal.SIGKILL)


@asynchronous
@pytest.mark.parametrize(("command", "failed"), [("exit 0", ""), ("echo full; exit 3", "status 3: full")])
async def test_a_background_process_that_keeps_the_output_open_is_not_waited_for(
    tmp_path: Path, command: str, failed: str
) -> None:
    left = tmp_path / "left"
    hook = OperatorHooks(20.0).run(f"sh -c 'sleep 300 & echo $! > {left}; {command}'", MOVE)
    try:
        if failed:
            with pytest.raises(HookFailedError, match=failed):
                await hook
        else:
            await hook
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)


@asynchronous
async def test_of_an_endless_output_the_last_words_are_told() -> None:
    with pytest.raises(HookFailedError, match=r"status 4: (y )+the end$") as raised:
        await OperatorHooks(20.0).run("sh -c 'yes | head -c 3000000; echo the end; exit 4'", MOVE)
    assert len(str(raised.value)) < 500


@asynchronous
async def test_what_a_terminal_would_obey_is_not_repeated() -> None:
    with pytest.raises(HookFailedError) as raised:
        await OperatorHooks(10.0).run(r"""sh -c 'printf "\033[2Jgone\a"; exit 4'""", MOVE)
    assert str(raised.value).endswith("status 4: ?[2Jgone?")


@asynchronous
@pytest.mark.skipif(sys.platform != "linux", reason="ties commands to drivers on Linux only")
async def test_a_command_that_stops_itself_and_its_watcher_is_ended_all_the_same(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"sh -c 'echo $$ $PPID > {pids}; kill -STOP $PPID; kill -STOP $$'"
    with pytest.raises(HookFailedError, match="did not end within"):
        await asyncio.wait_for(OperatorHooks(0.5).run(command, MOVE), 20.0)
    assert all_ended(noted(pids))
