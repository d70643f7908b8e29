"""Runs what an operator gave to copy and verify a user's bytes: a command, or a webhook."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from contextlib import suppress
from typing import Final, Protocol

import aiohttp

from lookup.hook_child import LAST_WORDS_BYTES, command_line
from lookup.moves import Move
from lookup.printable import printable
from lookup.web_errors import in_words

_EXPLAINING_S: Final = 2.0
"""A webhook that said no has so long to say why: the user's writes wait."""

_ACCEPTED: Final = 202
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
        process.stdin.close()  # which ends the command if it has not ended yet,
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)  # also if it has stopped itself and who watches over it
        await process.wait()
    if process.returncode != 0:
        raise HookFailedError(f"`{hook}` ended with status {process.returncode}{_quoted(said)}")


async def _last_words(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    said = await process.stdout.read()
    await process.wait()
    return said


async def _call(url: str, move: Move) -> None:
    """A redirect is no success: followed, it would become a GET of something else, which copies nothing. Nor
    is 202, which says that the work is yet to be done (RFC 9110, 15.3.3): the user would be moved before.

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
            status = reply.status
            is_done = 200 <= status < 300 and status != _ACCEPTED
            said = b"" if is_done else await _explanation(reply)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise HookFailedError(f"{url}: {in_words(error)}") from error
    if not is_done:
        early = ", which says that it is not done yet" if status == _ACCEPTED else ""
        raise HookFailedError(f"{url} answered with status {status}{early}{_quoted(said)}")


async def _explanation(reply: aiohttp.ClientResponse) -> bytes:
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_EXPLAINING_S):
            return await reply.content.read(LAST_WORDS_BYTES)
    return b""


def _quoted(said: bytes) -> str:
    text = printable(" ".join(said.decode(errors="replace").split()))
    return f": {text}" if text else ""
