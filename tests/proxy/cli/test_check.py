"""homecell check-config: what was understood, or every mistake, for people and for scripts."""

from __future__ import annotations

import json
import re

import pytest

from proxy.config.reference import reference_page
from tests.proxy.cli.conftest import Homecell
from tests.proxy.config.site import Site


def test_a_sound_config_is_told_in_short(homecell: Homecell) -> None:
    result = homecell("check-config", "edge.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "edge.yaml is sound.\n"
        "\n"
        "Edge edge-1 in eu: 2 workers on 127.0.0.1:8080, admin on 127.0.0.1:1; sqlite store home.sqlite\n"
        "Users of eu: in eu only; served here\n"
        "Users of us: in us and eu only; served here\n"
        "\n"
        "CELL  JURISDICTION  REGION   ENDPOINTS\n"
        "eu-1  eu            eu-west  127.0.0.1:8101\n"
        "us-1  us            us-east  127.0.0.1:8102, cell.example:8102\n"
        "\n"
        "ROUTE    IDENTITY  FALLBACK\n"
        "/status  required  static\n"
        "/        required  fail\n"
    )


def test_all_mistakes_go_to_standard_error_with_their_mends(homecell: Homecell, site: Site) -> None:
    site.spoil(("  workers: 2", "  worker: 2"), ("region: us-east", "region: 7"))
    result = homecell("check-config", "edge.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "edge.yaml:6: edge.worker is not a known key\n"
        "    did you mean `workers`?\n"
        "cells.yaml:8: cells[1].region is the number 7, not text\n"
        "    put it into quotes\n"
        "2 mistakes\n"
    )


def test_a_warning_leaves_the_exit_code_0(homecell: Homecell, site: Site) -> None:
    site.spoil(("  - prefix: /\n", ""))
    result = homecell("check-config")
    assert result.exit_code == 0
    assert result.stderr.startswith("edge.yaml:29: warning: routes has no route that matches every path\n")


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        (f"reed {'r' * 32}\n", ":1: write `read TOKEN NAME` or `write TOKEN NAME`"),
        (f"read {'r' * 32}\nwrite short\n", ":2: the token is shorter than 32 characters"),
        ("# none yet\n", ": holds no token"),
    ],
)
def test_tokens_that_the_lookup_service_would_refuse_are_warned_of(
    homecell: Homecell, site: Site, tokens: str, told: str
) -> None:
    section = 'lookup_service: {listen: "127.0.0.1:1", tokens_file: lookup.tokens}\n'
    site.spoil(("routes:\n", f"{section}routes:\n"))
    file = site.folder / "lookup.tokens"
    file.touch(mode=0o600)
    file.write_text(f"read {'r' * 32}\n")
    assert homecell("check-config").stderr == ""
    file.write_text(tokens)
    result = homecell("check-config")
    assert result.exit_code == 0
    warned = r"edge\.yaml:[1-9][0-9]*: warning: lookup_service\.tokens_file cannot be used"
    assert re.search(warned, result.stderr)
    assert f"lookup.tokens{told}" in result.stderr
    site.spoil(("  workers: 2", "  worker: 2"))
    beside_mistakes = homecell("check-config")
    assert beside_mistakes.exit_code == 2
    assert re.search(warned, beside_mistakes.stderr)
    assert "short\n" not in result.stderr


def test_a_script_reads_what_was_understood_as_json(homecell: Homecell) -> None:
    told = json.loads(homecell("check-config", "--json").stdout)
    assert told["ok"] is True
    assert told["edge"]["listen"] == "127.0.0.1:8080"
    assert [cell["name"] for cell in told["cells"]] == ["eu-1", "us-1"]
    assert told["routes"][1] == {"prefix": "/", "identity": "required", "fallback": "fail"}


def test_a_script_reads_the_mistakes_as_json(homecell: Homecell, site: Site) -> None:
    site.spoil(("  workers: 2", "  worker: 2"))
    result = homecell("check-config", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "ok": False,
        "mistakes": [
            {
                "file": str(site.edge),
                "line": 6,
                "key": "edge.worker",
                "what": "is not a known key",
                "mend": "did you mean `workers`?",
            }
        ],
        "warnings": [],
    }


def test_the_reference_is_printed_as_it_is_kept(homecell: Homecell) -> None:
    assert homecell("check-config", "--reference").stdout == reference_page()


def test_a_cells_file_is_called_one(homecell: Homecell) -> None:
    result = homecell("check-config", "cells.yaml")
    assert result.exit_code == 2
    assert result.stderr == (
        "cells.yaml: is a cells file, not a config\n    name the config whose `cells_file` it is\n1 mistake\n"
    )
