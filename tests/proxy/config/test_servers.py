"""Sections on Cassandra and Redis: what a sound one means, and every mistake with its line and mend."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bench.servers.certificates import make_certificates
from proxy.model import Endpoint
from tests.proxy.config.site import Site

SQLITE: Final = "store: {kind: sqlite, path: home.sqlite}\n"
SERVERS: Final = """\
store:
  kind: cassandra
  cassandra:
    contact_points: [10.0.0.1, "fd00::1", cassandra.example]
    datacentre: eu
    replication: {eu: 3, us: 3}
    username: edge
    password_file: cassandra.password
    owners:
      placing: us
      by_jurisdiction: {eu: eu}
redis:
  topology: sentinel
  addresses: ["10.0.0.1:26379", "10.0.0.2:26379"]
  service: home
  password_file: redis.password
"""


@pytest.fixture
def servers(site: Site) -> Site:
    """A site on Cassandra and Redis; its section begins on line 8."""
    site.spoil((SQLITE, SERVERS))
    for name in ("cassandra", "redis"):
        file = site.folder / f"{name}.password"
        file.write_text("secret word\n")
        file.chmod(0o600)
    return site


def test_a_config_on_cassandra_and_redis_is_sound_and_says_what_it_says(servers: Site) -> None:
    loaded = servers.load_with_warnings()
    assert loaded.warnings == ()
    cassandra, redis = loaded.settings.store.cassandra, loaded.settings.redis
    assert cassandra is not None
    assert redis is not None
    assert cassandra.contact_points == ("10.0.0.1", "fd00::1", "cassandra.example")
    assert (cassandra.port, cassandra.keyspace, cassandra.datacentre) == (9042, "homecell", "eu")
    assert cassandra.replication == {"eu": 3, "us": 3}
    assert cassandra.owners is not None
    assert cassandra.owners.by_jurisdiction == {"eu": "eu"}
    assert redis.addresses == (Endpoint("10.0.0.1", 26379), Endpoint("10.0.0.2", 26379))
    assert (redis.service, redis.prefix) == ("home", "homecell")
    assert loaded.settings.store.place == "homecell at 10.0.0.1, fd00::1, cassandra.example"


MISTAKES: Final = [
    (
        SERVERS[SERVERS.index("redis:") :],
        "",
        "edge.yaml:9: store.kind is cassandra, whose change feed needs Redis, and there is no section "
        '`redis`; add `redis: {addresses: ["127.0.0.1:6379"]}`',
    ),
    (
        SERVERS[SERVERS.index("  cassandra:") : SERVERS.index("redis:")],
        "",
        "edge.yaml:8: store.cassandra is missing; add it: a cassandra store needs it",
    ),
    (
        "kind: cassandra",
        "kind: cassandra\n  path: home.sqlite",
        "edge.yaml:10: store.path does not go with kind cassandra; remove it",
    ),
    (
        "kind: cassandra",
        "kind: sqlite\n  path: home.sqlite",
        "edge.yaml:11: store.cassandra does not go with kind sqlite; remove it",
    ),
    (
        '10.0.0.1, "fd',
        '10.0.0.1:9042, "fd',
        "edge.yaml:11: store.cassandra.contact_points[0] is '10.0.0.1:9042', no host; "
        "write an address or a name, without a port",
    ),
    (
        '[10.0.0.1, "fd00::1", cassandra.example]',
        "[]",
        "edge.yaml:11: store.cassandra.contact_points has 0 entries; give at least 1",
    ),
    (
        "datacentre: eu",
        "datacentre: e'u",
        'edge.yaml:12: store.cassandra.datacentre is "e\'u"; use 1 to 63 letters, digits, `-`, `_` and `.`',
    ),
    (
        "datacentre: eu",
        "datacentre: ch",
        "edge.yaml:12: store.cassandra.datacentre is `ch`, which `replication` does not name; "
        "add it there, or write one of: eu, us",
    ),
    (
        "placing: us",
        "placing: ch",
        "edge.yaml:17: store.cassandra.owners.placing is `ch`, which `replication` does not name; "
        "add it there, or write one of: eu, us",
    ),
    (
        "by_jurisdiction: {eu: eu}",
        "by_jurisdiction: {uk: eu}",
        "edge.yaml:18: store.cassandra.owners.by_jurisdiction.uk is a jurisdiction without a rule below "
        "`residency`; known: eu, us",
    ),
    (
        "datacentre: eu",
        "datacentre: eu\n    keyspace: Home; DROP",
        "edge.yaml:13: store.cassandra.keyspace is 'Home; DROP'; "
        "use 1 to 48 lower-case letters, digits and `_`, a letter first",
    ),
    (
        "replication: {eu: 3, us: 3}",
        "replication: {eu: 0, us: 3}",
        "edge.yaml:13: store.cassandra.replication.eu is 0; it must be at least 1",
    ),
    (
        "    username: edge\n",
        "",
        "edge.yaml:14: store.cassandra.password_file is nobody's; add `username`",
    ),
    (
        "    password_file: cassandra.password\n",
        "",
        "edge.yaml:14: store.cassandra.username has no password; add `password_file`",
    ),
    (
        "  service: home\n",
        "",
        "edge.yaml:20: redis.topology is sentinel, without the master's name; "
        "add `service`: the name in their `sentinel monitor` line",
    ),
    (
        "topology: sentinel",
        "topology: cluster",
        "edge.yaml:22: redis.service does not go with topology cluster; remove it",
    ),
    (
        '  topology: sentinel\n  addresses: ["10.0.0.1:26379", "10.0.0.2:26379"]\n  service: home\n',
        '  addresses: ["10.0.0.1:6379"]\n  sentinel_password_file: redis.password\n',
        "edge.yaml:21: redis.sentinel_password_file does not go with topology one; remove it",
    ),
    (
        "  service: home\n",
        "  service: home\n  sentinel_username: edge\n",
        "edge.yaml:23: redis.sentinel_username has no password; add `sentinel_password_file`",
    ),
    (
        "  topology: sentinel\n",
        "",
        "edge.yaml:21: redis.service does not go with topology one; remove it\n"
        "edge.yaml:20: redis.addresses[1] is a second server; "
        "keep one, or set `topology` to sentinel or cluster",
    ),
    (
        '"10.0.0.1:26379", ',
        '"10.0.0.1", ',
        "edge.yaml:21: redis.addresses[0] is '10.0.0.1': it has no port; "
        'write it as "host:port", e.g. "127.0.0.1:8080" or "[::1]:8080"',
    ),
    (
        "redis.password",
        "none.password",
        "edge.yaml:23: redis.password_file is none.password, which does not exist; "
        "write the password into it",
    ),
    (
        "redis.password",
        "redis.password\n  tls: {ca_file: none.pem, key_file: keys/hs256.secret}",
        "edge.yaml:24: redis.tls.ca_file is none.pem, which cannot be used (No such file or directory); "
        "name a PEM certificate\n"
        "edge.yaml:24: redis.tls.key_file goes with `certificate_file` only; add `certificate_file`",
    ),
]


@pytest.mark.parametrize(("old", "new", "mistakes"), MISTAKES)
def test_what_is_wrong_with_servers_is_named(servers: Site, old: str, new: str, mistakes: str) -> None:
    servers.spoil((old, new))
    assert sorted(servers.mistakes()) == sorted(mistakes.split("\n"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "which is empty"),
        (b"\n", "which is empty"),
        (b"one\ntwo\n", "which is not one line of text"),
        (b"\xff\xfe", "which is no text"),
        (b"x" * 5000, "which is not one line of text"),
    ],
)
def test_a_file_without_a_usable_password_is_named_and_never_shown(
    servers: Site, content: bytes, complaint: str
) -> None:
    (servers.folder / "redis.password").write_bytes(content)
    assert servers.mistakes() == [
        f"edge.yaml:23: redis.password_file is redis.password, {complaint}; write the password into it"
    ]


def test_a_password_that_everybody_may_read_is_warned_of(servers: Site) -> None:
    (servers.folder / "redis.password").chmod(0o644)
    assert servers.warnings() == [
        "edge.yaml:23: redis.password_file can be read by every user of this machine; "
        "chmod 600 redis.password"
    ]


def test_all_mistakes_of_both_sections_are_reported_at_once(servers: Site) -> None:
    servers.spoil(("datacentre: eu", "datacentre: ch"), ("  service: home\n", ""), ("us: 3}", "us: x}"))
    assert len(servers.mistakes()) == 3


def test_certificate_and_key_that_do_not_belong_together_are_named(servers: Site, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    other = make_certificates(tmp_path / "other")
    tls = f"tls: {{ca_file: {certificates.authority}, certificate_file: {certificates.certificate}, "
    servers.spoil(("redis.password", f"redis.password\n  {tls}key_file: {certificates.key}}}"))
    assert servers.mistakes() == []
    servers.spoil((f"key_file: {certificates.key}", f"key_file: {other.key}"))
    (mistake,) = servers.mistakes()
    assert "redis.tls.certificate_file" in mistake
    assert "KEY_VALUES_MISMATCH" in mistake


def test_a_store_that_is_not_there_yet_is_warned_of_with_the_command_that_makes_it(site: Site) -> None:
    (site.folder / "home.sqlite").unlink()
    assert site.warnings() == [
        "edge.yaml:8: store.path is home.sqlite, which does not exist yet; "
        "make it: homecell store init --config edge.yaml"
    ]
