from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.demo.guide import Ask, Credential, Guide, Order, command_line
from bench.demo.layout import HOMECELL, Layout
from bench.demo.population import FREE_TO_TRY
from bench.demo.tokens import Tokens
from proxy.config import load
from proxy.rooms.mint import write_demo_keys


@pytest.fixture
def guide(tmp_path: Path) -> Guide:
    layout = Layout(tmp_path)
    write_demo_keys(layout.keys)
    layout.write_configs()
    settings = load(layout.config(layout.eu))
    return Guide(layout, settings.cells, Tokens(layout.keys, settings))


def test_a_command_line_sends_what_the_self_check_sends(tmp_path: Path) -> None:
    token_file = tmp_path / "tokens" / "plain"
    token_file.parent.mkdir()
    token_file.write_text("a.b.c")
    credential = Credential(token_file, "a.b.c")
    ask = Ask("", Layout(tmp_path).eu, "/me", "", bearer=credential, session=credential, jar="fill")
    line = command_line(ask, tmp_path / "my jar", HOMECELL)
    words = subprocess.run(
        ["sh", "-c", line.replace("curl", "printf '%s\\n'", 1)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words == [
        *("-i", "-H", "Authorization: Bearer a.b.c", "-b", "session=a.b.c", "-c", str(tmp_path / "my jar")),
        "http://127.0.0.1:8080/me",
    ]


def test_every_token_that_a_command_line_names_is_written(guide: Guide) -> None:
    guide.write_tokens()
    credentials = [
        credential
        for step in guide.steps()
        if isinstance(step, Ask)
        for credential in (step.bearer, step.session)
        if credential
    ]
    assert len(credentials) > 5
    assert all(credential.file.read_text() == credential.token for credential in credentials)


def test_the_cell_that_is_taken_down_is_put_back(guide: Guide) -> None:
    orders = [step.arguments[:4] for step in guide.steps() if isinstance(step, Order)]
    assert [order for order in orders if order[0] == "cells"] == [
        ("cells", "flag", "eu-west-1-cell-01", "down"),
        ("cells", "flag", "eu-west-1-cell-01", "serving"),
    ]


def test_the_hint_below_the_live_lines_takes_that_cell_down_and_puts_it_back(guide: Guide) -> None:
    orders = [step.arguments[:4] for step in guide.steps() if isinstance(step, Order)]
    lines = guide.hint(HOMECELL).splitlines()
    assert lines[1].endswith("/demo.yaml")
    assert [tuple(line.split()[1:5]) for line in lines[2:-1]] == [o for o in orders if o[0] == "cells"]


def test_a_user_who_sends_nothing_by_itself_is_moved_and_asked_for_before_and_after(guide: Guide) -> None:
    steps = guide.steps()
    (place,) = [
        place for place, step in enumerate(steps) if isinstance(step, Order) and "move" in step.arguments
    ]
    before, order, after = steps[place - 1 : place + 2]
    assert isinstance(before, Ask)
    assert isinstance(order, Order)
    assert isinstance(after, Ask)
    assert (before.bearer, before.url) == (after.bearer, after.url)
    assert int(order.arguments[2].removeprefix("user:")) < FREE_TO_TRY
    assert order.arguments[3:7] == (
        *("--to", "eu-west-1-cell-02", "--copy-command"),
        "http://127.0.0.1:8202/copy",
    )
