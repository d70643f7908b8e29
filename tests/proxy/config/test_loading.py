"""What a sound config gives, what is only warned of, and that many mistakes come in one report."""

from __future__ import annotations

import shutil
from ipaddress import ip_network
from pathlib import Path

import pytest

from proxy.config import ConfigError, load
from proxy.config.location import default_path
from proxy.model import Endpoint
from tests.proxy.config.site import Site

SHIPPED = Path(__file__).resolve().parents[3] / "configs"


def test_a_sound_config_gives_typed_settings_with_its_cells(site: Site) -> None:
    settings = site.load()
    assert settings.edge.listen == Endpoint("127.0.0.1", 8080)
    assert settings.path == site.edge
    assert [(cell.name, cell.index) for cell in settings.cells] == [("eu-1", 0), ("us-1", 1)]
    assert settings.cells[1].endpoints == (Endpoint("127.0.0.1", 8102), Endpoint("cell.example", 8102))
    assert settings.residency["us"].allow == ("us", "eu")
    assert site.load_with_warnings().warnings == ()


def test_what_is_left_out_has_its_default(site: Site) -> None:
    settings = site.load()
    assert settings.lookup.deadline_s == 0.25
    assert settings.identity.claims.user == "sub"
    assert settings.routes[1].fallback == "fail"
    site.spoil(("limits:\n  connect_timeout_s: 1\n  request_timeout_s: 3\n", ""))
    assert site.load().limits.request_timeout_s == 3


def test_paths_are_relative_to_the_config_wherever_one_stands(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.folder.parent)
    settings = load(Path("site/edge.yaml"))
    assert settings.store.path == site.folder / "home.sqlite"
    assert settings.identity.keys[0].secret_file == site.folder / "keys/hs256.secret"


def test_standard_output_stays_what_it_is_called(site: Site) -> None:
    site.spoil(("access_log: access.log", "access_log: /dev/stdout"))
    assert site.load().access_log == Path("/dev/stdout")


def test_networks_of_trusted_peers_are_networks(site: Site) -> None:
    site.spoil(("  workers: 2", '  trusted_peers: ["10.0.0.0/8", "fd00::/8"]'))
    assert site.load().edge.trusted_peers == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_settings_cannot_be_changed(site: Site) -> None:
    settings = site.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.edge.workers = 3


@pytest.mark.parametrize("name", ["demo.yaml", "us-edge.yaml"])
def test_the_configs_that_are_shipped_are_sound(tmp_path: Path, keys: Path, name: str) -> None:
    shutil.copytree(SHIPPED, tmp_path / "configs")
    shutil.copytree(keys, tmp_path / ".demo" / "keys")
    settings = load(tmp_path / "configs" / name)
    assert settings.store.path == tmp_path / ".demo" / "home.sqlite"


def test_the_shipped_edges_share_all_but_who_they_are(tmp_path: Path, keys: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "configs")
    shutil.copytree(keys, tmp_path / ".demo" / "keys")
    eu, us = (load(tmp_path / "configs" / name) for name in ("demo.yaml", "us-edge.yaml"))
    own = {"edge", "access_log", "path"}
    assert eu.model_dump(exclude=own) == us.model_dump(exclude=own)
    assert eu.residency["us"].edge_url == f"http://{us.edge.listen.host}:{us.edge.listen.port}"


def test_all_mistakes_of_both_files_come_in_one_report_by_line(site: Site) -> None:
    site.spoil(
        ("  workers: 2", "  workers: 0\n  colour: red"),
        ('admin: "127.0.0.1:9080"', 'admin: "127.0.0.1:8080"'),
        ("keys/rs256.pub.pem", "keys/none.pem"),
        ("refresh_s: 60", "refresh_s: -1"),
        ("hard_stale_s: 86400", "hard_stale_s: 200"),
        ("    fallback: static\n", "    fallbck: static\n"),
        ("name: us-1", "name: eu-1"),
        ("region: us-east", "region: 7"),
        ("jurisdiction: us\n    region", "jurisdiction: uk\n    region"),
    )
    assert [mistake.partition(" is ")[0] for mistake in site.mistakes()] == [
        "edge.yaml:5: edge.admin",
        "edge.yaml:6: edge.workers",
        "edge.yaml:7: edge.colour",
        "edge.yaml:21: identity.keys[1].public_key_file",
        "edge.yaml:27: lookup.refresh_s",
        "edge.yaml:29: lookup.hard_stale_s",
        "edge.yaml:32: routes[0].fallbck",
        "edge.yaml:33: routes[0].static",
        "cells.yaml:6: cells[1].name",
        "cells.yaml:7: cells[1].jurisdiction",
        "cells.yaml:8: cells[1].region",
    ]


def test_a_config_error_says_every_mistake_as_text(site: Site) -> None:
    site.spoil(("  workers: 2", "  workers: 0\n  colour: red"))
    with pytest.raises(ConfigError) as caught:
        site.load()
    assert str(caught.value).splitlines() == [str(mistake) for mistake in caught.value.mistakes]
    assert len(caught.value.mistakes) == 2


def test_a_misspelt_key_is_not_called_missing_too(site: Site) -> None:
    site.spoil(("  issuer: https", "  isuer: https"))
    assert site.mistakes() == [
        "edge.yaml:14: identity.isuer is not a known key; did you mean `issuer`?",
    ]


def test_an_address_that_two_jurisdictions_cannot_share_breaks_residency(site: Site) -> None:
    site.spoil(
        ("allow: [us, eu]", "allow: [us]"),
        ("http://127.0.0.1:8081", "http://edge.example"),
        (
            'eu: {allow: [eu], edge_url: "http://127.0.0.1:8080"',
            'eu: {allow: [eu], edge_url: "http://edge.example:80"',
        ),
    )
    assert site.mistakes() == [
        "edge.yaml:11: residency.us.edge_url is the edge of `eu` too, and no jurisdiction may serve both; "
        "name an edge in an allowed jurisdiction"
    ]


def test_an_edge_that_could_reach_no_cell_is_refused(site: Site) -> None:
    site.spoil(
        ("jurisdiction: eu\n  listen", "jurisdiction: ch\n  listen"),
        ("  us: {allow", '  ch: {allow: [ch], edge_url: "http://127.0.0.1:8080"}\n  us: {allow'),
        ('"http://127.0.0.1:8080"}\n  us', '"http://127.0.0.1:8085"}\n  us'),
        (
            'eu: {allow: [eu], edge_url: "http://127.0.0.1:8080"',
            'eu: {allow: [eu], edge_url: "http://127.0.0.1:8082"',
        ),
    )
    assert site.mistakes() == [
        "edge.yaml:3: edge.jurisdiction is `ch`, from which no cell may be reached: the edge would serve "
        "nobody; "
        "allow `ch` where a cell is, or correct it"
    ]


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        (
            "prefix: /\n",
            "prefix: /shop\n",
            "edge.yaml:29: routes has no route that matches every path; "
            "add `- prefix: /`, unless 404 is meant for the rest",
        ),
        (
            'admin: "127.0.0.1:9080"',
            'admin: "0.0.0.0:9080"',
            "edge.yaml:5: edge.admin answers on every address, and asks for no credential; "
            "listen on loopback or a private address",
        ),
        (
            "  us: {allow",
            '  uk: {allow: [uk], edge_url: "http://127.0.0.1:8083"}\n  us: {allow',
            "edge.yaml:11: residency.uk allows no jurisdiction that has a cell: its users cannot be served; "
            "add a cell, or remove the rule",
        ),
    ],
)
def test_what_may_be_meant_is_only_warned_of(site: Site, old: str, new: str, warning: str) -> None:
    site.spoil((old, new))
    assert site.warnings() == [warning]


def test_the_config_of_a_command_is_the_one_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOMECELL_CONFIG", "elsewhere.yaml")
    assert default_path() == Path("elsewhere.yaml")
    monkeypatch.delenv("HOMECELL_CONFIG")
    assert default_path() == Path("configs/demo.yaml")
