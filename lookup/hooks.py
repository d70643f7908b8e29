"""Runs what an operator gave to copy and verify a user's bytes: a command, or a webhook."""

from __future__ import annotations

import asyncio
import os
import shlex
from typing import Final, Protocol

import aiohttp

from lookup.hook_child import command_line
from lookup.moves import Move
from lookup.web_errors import in_words

_TOLD_BYTES: Final = 300
"""Of a failed hook's last words."""

_WEB: Final = ("http://", "https://")


class HookFailedError(Exception):
    """The hook says no, or did not answer in time; the text says what it said."""


class Hooks(Protocol):
    """Runs one hook of a move."""

    async def run(self, hook: str, move: Move) -> None:
        """Return when it succeeded; "" is no hook, which always does. Raises HookFailedError.

        A hook may be run again after a crash: it must be one that can be repeated. And the run before may
        still go on: of two runs the one with the higher `move.attempt` counts.
        """


class OperatorHooks:
    """Hooks as an operator writes them: `http://...` and `https://...` are webhooks, the rest commands."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    async def run(self, hook: str, move: Move) -> None:
        """Hooks.run; cancelled, a command is killed with all that it started, and a webhook is hung up on.

        A command is also killed when this process is.
        """
        if not hook:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                if hook.startswith(_WEB):
                    await _call(hook, move)
                else:
                    await _execute(hook, move)
        except TimeoutError:
            raise HookFailedError(f"`{hook}` did not end within {self._timeout_s:g} s") from None


class ConfiguredHooks:
    """The two webhooks of a config and nothing else, whatever a request or the log of moves names.

    For a service: who may ask it over the network shall not choose what it executes or whom it calls.

    copy, verify  URLs, "" for none
    """

    def __init__(self, copy: str, verify: str, timeout_s: float) -> None:
        self.copy = copy
        self.verify = verify
        self._timeout_s = timeout_s

    async def run(self, hook: str, move: Move) -> None:
        """Hooks.run. Raises ValueError for another hook: the move stays as it is."""
        if not hook:
            return
        if hook not in (self.copy, self.verify):
            raise ValueError(f"`{hook}` is no webhook of this service")
        try:
            async with asyncio.timeout(self._timeout_s):
                await _call(hook, move)
        except TimeoutError:
            raise HookFailedError(f"`{hook}` did not end within {self._timeout_s:g} s") from None


def facts(move: Move) -> dict[str, str]:
    """What a hook is told: the same names for commands (HOMECELL_KEY, ...) and webhooks (key, ...)."""
    return {
        "operation": move.order.operation,
        "step": move.step.value,
        "key": move.order.key,
        "source": move.source,
        "target": move.order.target,
        "epoch": str(move.epoch + 1),
        "attempt": str(move.attempt),
    }


async def _execute(hook: str, move: Move) -> None:
    try:
        words = shlex.split(hook)
    except ValueError as error:
        raise HookFailedError(f"`{hook}` is no command line: {error}") from error
    if not words:
        raise HookFailedError("the command is blank; give a program and its arguments")
    environment = os.environ | {f"HOMECELL_{name.upper()}": text for name, text in facts(move).items()}
    try:
        process = await asyncio.create_subprocess_exec(
            *command_line(words),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise HookFailedError(f"`{words[0]}` can't be started: {error.strerror}") from error
    try:
        said = await _last_words(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()  # which ends the command if it has not ended yet
        await process.wait()
    if process.returncode != 0:
        raise HookFailedError(f"`{hook}` ended with status {process.returncode}{_quoted(said)}")


async def _last_words(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    said = b""
    while more := await process.stdout.read(1 << 16):
        said = (said + more)[-_TOLD_BYTES:]
    await process.wait()
    return said


async def _call(url: str, move: Move) -> None:
    """A redirect is no success: followed, it would become a GET of something else, which copies nothing.

    Each attempt has a key of its own: its body is another one, and it must do the work again.
    """
    fields = {
        "Idempotency-Key": f"{move.order.operation}/{move.step.value}/{move.attempt}",
        "X-Home-Cell-Attempt": str(move.attempt),
    }
    unbounded = aiohttp.ClientTimeout(total=None)  # the caller's bound holds
    try:
        async with (
            aiohttp.ClientSession(timeout=unbounded, trust_env=True) as session,
            session.post(url, json=facts(move), headers=fields, allow_redirects=False) as reply,
        ):
            said = b"" if reply.status < 300 else await reply.content.read(_TOLD_BYTES)
            status = reply.status
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise HookFailedError(f"{url}: {in_words(error)}") from error
    if status >= 300:
        raise HookFailedError(f"{url} answered with status {status}{_quoted(said)}")


def _quoted(said: bytes) -> str:
    text = " ".join(said.decode(errors="replace").split())
    return f": {text}" if text else ""
