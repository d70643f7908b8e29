"""Commands that a message names, for a config that is not the one meant by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.location import with_config


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "no store; homecell store init makes one",
            "no store; homecell store init --config e.yaml makes one",
        ),
        (
            "homecell moves resume 7, or homecell moves abort 7",
            "homecell moves resume --config e.yaml 7, or homecell moves abort --config e.yaml 7",
        ),
        ("homecell store init --config other.yaml", "homecell store init --config other.yaml"),
        ("what homecell proxy says", "what homecell proxy says"),
    ],
)
def test_each_command_names_the_config_unless_it_does_already(text: str, named: str) -> None:
    assert with_config(text, Path("e.yaml")) == named


def test_a_name_with_a_space_is_quoted() -> None:
    assert with_config("homecell store init", "my edge.yaml") == "homecell store init --config 'my edge.yaml'"
