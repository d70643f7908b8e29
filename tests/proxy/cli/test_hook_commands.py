"""Which commands may copy and verify users: those that do what they seem to do without a shell."""

from __future__ import annotations

import click
import pytest

from proxy.cli.answers import UsageMistakeError
from proxy.cli.hook_commands import runnable_hook

OPTION = click.Option(["--copy-command"])


def judged(hook: str) -> str:
    return runnable_hook(click.Context(click.Command("move")), OPTION, hook)


@pytest.mark.parametrize(
    "hook",
    [
        "",
        "true",
        "true 'a;b' \"c & d\" e\\;f",
        "sh -c 'cp $HOMECELL_KEY there && ls | wc'",
        'sh -c "cp $HOMECELL_KEY there; true"',
        "https://copier.example/copy?a=1&b=$2",
        "http://copier.example/",
    ],
)
def test_what_can_be_run_is_taken_as_it_is(hook: str) -> None:
    assert judged(hook) == hook


@pytest.mark.parametrize(
    ("hook", "complaint"),
    [
        ("true; false", "is meant for a shell"),
        ("true && false", "is meant for a shell"),
        ("true | false", "is meant for a shell"),
        ("true > copy.log", "is meant for a shell"),
        ("true $HOMECELL_KEY", "is meant for a shell"),
        ('true "$HOMECELL_KEY"', "is meant for a shell"),
        ("true `id`", "is meant for a shell"),
        (" ", "is blank"),
        ("true 'open", "No closing quotation"),
        ("./no-such-program --all", "`./no-such-program` is no program"),
    ],
)
def test_what_would_not_do_what_it_says_is_refused_before_anybody_moves(hook: str, complaint: str) -> None:
    with pytest.raises(UsageMistakeError) as refusal:
        judged(hook)
    assert complaint in refusal.value.message
    assert refusal.value.mend
