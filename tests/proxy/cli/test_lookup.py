"""homecell lookup as an operator runs it: a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys

import pytest

from bench.servers.ports import free_port
from lookup.client import LookupClient
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site

TOKEN = "r" * 32
WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def add_service(site: Site, port: int, tokens: str = f"read {TOKEN}\n") -> None:
    file = site.folder / "lookup.tokens"
    file.touch(mode=0o600)
    file.write_text(tokens)
    section = f'lookup_service: {{listen: "127.0.0.1:{port}", tokens_file: lookup.tokens}}\nroutes:\n'
    site.spoil(("routes:\n", section))


def test_without_its_section_it_says_what_to_add(homecell: Homecell) -> None:
    result = homecell("lookup")
    assert result.exit_code == 2
    assert "add `lookup_service:" in result.stderr


def test_a_mistake_in_the_file_of_tokens_is_told(homecell: Homecell, site: Site) -> None:
    add_service(site, 1, "read short\n")
    result = homecell("lookup")
    assert result.exit_code == 2
    assert "lookup.tokens:1: the token is shorter" in result.stderr


def test_without_its_store_it_says_so(homecell: Homecell, site: Site) -> None:
    add_service(site, free_port())
    (site.folder / "home.sqlite").unlink()
    result = homecell("lookup")
    assert result.exit_code == 3
    assert "no such store" in result.stderr


@pytest.mark.slow
def test_it_answers_places_as_the_config_says_by_now_and_ends_when_it_is_told_to(site: Site) -> None:
    port = free_port()
    add_service(site, port, f"write {TOKEN}\n")

    async def scenario() -> None:
        command = [
            sys.executable,
            "-c",
            "from proxy.cli import main; main()",
            "lookup",
            "--config",
            str(site.edge),
        ]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            assert process.stderr is not None
            line = await asyncio.wait_for(process.stderr.readline(), 60)
            said = f"INFO the lookup service listens on http://127.0.0.1:{port}"
            assert re.fullmatch(rf"{WHEN} {said}\n", line.decode())
            async with LookupClient(f"http://127.0.0.1:{port}", TOKEN) as client:
                found = await client.get("user:2")
                assert found is not None
                assert (found.cell, found.epoch) == ("us-1", 3)
                site.spoil(("  - name: eu-1\n", "  - name: eu-1\n    weight: 0\n"))
                process.send_signal(signal.SIGHUP)
                line = await asyncio.wait_for(process.stderr.readline(), 60)
                said = "INFO the config is taken: users are placed by it from now on"
                assert re.fullmatch(rf"{WHEN} {said}\n", line.decode())
                assert await client.place_anywhere("user:new", "eu") is None
            process.send_signal(signal.SIGTERM)
            last = (await asyncio.wait_for(process.stderr.read(), 60)).decode().splitlines()[-1]
            assert re.fullmatch(rf"{WHEN} INFO stopped", last)
            assert await asyncio.wait_for(process.wait(), 60) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_told(site: Site, homecell: Homecell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        add_service(site, port)
        result = homecell("lookup")
    assert result.exit_code == 1
    assert f"cannot listen on lookup_service.listen 127.0.0.1:{port}: Address already in use" in result.stderr
    assert f", by pid {os.getpid()} " in result.stderr
    assert "or give lookup_service.listen another port" in result.stderr
