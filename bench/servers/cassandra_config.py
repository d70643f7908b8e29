"""What a Cassandra node is told: its settings, its place, its log and the options of its Java machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from bench.servers.certificates import KEYSTORE_PASSWORD, CertificateFiles

_EXPORTS: Final = (
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
)
_OPENS: Final = (
    *(
        f"java.base/{package}"
        for package in (
            "java.lang",
            "java.lang.module",
            "java.io",
            "java.nio",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "jdk.internal.loader",
            "jdk.internal.ref",
            "jdk.internal.reflect",
            "jdk.internal.math",
            "jdk.internal.module",
            "jdk.internal.util.jar",
            "sun.nio.ch",
        )
    ),
    "jdk.management/com.sun.management.internal",
)
"""As in Cassandra's own jvm17-server.options."""

_LOGBACK: Final = """<configuration>
  <appender name="LOG" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %F:%L %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="LOG"/></root>
  <logger name="org.apache.cassandra.service" level="INFO"/>
  <logger name="org.apache.cassandra.gms" level="INFO"/>
</configuration>
"""

_RING_DELAY_MS: Final = 2000
_LOWEST_TOKEN: Final = 1 - 2**63

COMMITLOG_SYNC_S: Final = 1.0
"""A node that is killed forgets what it acknowledged since its last sync; other copies remember."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """address       loopback address of this node
    seed          address of the ring's first node
    ports         CQL and storage are the same on every node, JMX is this node's own
    ring_size     how many nodes there will be
    number        of this node among them, from 0
    heap_mb       most memory that Java uses for objects
    authenticates whether clients must log in (user and password `cassandra`)
    certificates  clients must use TLS
    datacentre    where the node says it is
    hints         whether nodes keep for another one what it missed while it was away
    spares_cores  its threads leave the cores to others and answer a millisecond later (bench.servers.sparing)
    short_lived   starts in half the time and never gets as quick as it could: Java compiles plainly
    """

    folder: Path
    address: str
    seed: str
    cql_port: int
    storage_port: int
    jmx_port: int
    ring_size: int
    number: int
    heap_mb: int
    authenticates: bool
    certificates: CertificateFiles | None
    datacentre: str
    hints: bool
    spares_cores: bool
    short_lived: bool


def write_config(node: NodeSettings) -> None:
    """Write `conf` into the node's folder."""
    conf = node.folder / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "cassandra.yaml").write_text(yaml.safe_dump(_yaml(node)), encoding="utf-8")
    (conf / "logback.xml").write_text(_LOGBACK, encoding="utf-8")
    place = f"dc={node.datacentre}\nrack=rack1\n"
    (conf / "cassandra-rackdc.properties").write_text(place, encoding="utf-8")


def java_options(node: NodeSettings, jars: Path) -> list[str]:
    """Everything between `java` and the main class."""
    conf = node.folder / "conf"
    properties = {
        "cassandra.config": f"file://{conf / 'cassandra.yaml'}",
        "cassandra.storagedir": str(node.folder),
        "cassandra-foreground": "yes",
        "cassandra.skip_wait_for_gossip_to_settle": "0",
        "cassandra.ring_delay_ms": str(0 if node.ring_size == 1 else _RING_DELAY_MS),
        "cassandra.superuser_setup_delay_ms": "0",
        "cassandra.jmx.local.port": str(node.jmx_port),
        "java.net.preferIPv4Stack": "true",
        "jdk.attach.allowAttachSelf": "true",
        "logback.configurationFile": str(conf / "logback.xml"),
    }
    return [
        f"-Xmx{node.heap_mb}m",
        "-XX:+UseSerialGC",
        *(["-XX:TieredStopAtLevel=1"] if node.short_lived else []),
        f"-javaagent:{next(jars.glob('jamm-*.jar'))}",
        *(f"-D{name}={value}" for name, value in properties.items()),
        *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS),
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS),
        "-cp",
        f"{conf}:{jars}/*",
    ]


def _tokens(node: NodeSettings) -> dict[str, object]:
    """Nodes of a ring share the keys evenly, and alike in every ring."""
    if node.ring_size == 1:
        return {"num_tokens": 4}
    return {"num_tokens": 1, "initial_token": str(_LOWEST_TOKEN + node.number * 2**64 // node.ring_size)}


def _yaml(node: NodeSettings) -> dict[str, object]:
    folder = node.folder
    settings: dict[str, object] = {
        "cluster_name": "homecell",
        **_tokens(node),
        "auto_bootstrap": False,
        "auto_snapshot": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "commitlog_sync": "periodic",
        "commitlog_sync_period": f"{round(1000 * COMMITLOG_SYNC_S)}ms",
        "data_file_directories": [str(folder / "data")],
        "commitlog_directory": str(folder / "commitlog"),
        "saved_caches_directory": str(folder / "saved_caches"),
        "hints_directory": str(folder / "hints"),
        "cdc_raw_directory": str(folder / "cdc_raw"),
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": f"{node.seed}:{node.storage_port}"}],
            }
        ],
        "listen_address": node.address,
        "rpc_address": node.address,
        "storage_port": node.storage_port,
        "native_transport_port": node.cql_port,
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "hinted_handoff_enabled": node.hints,
        "authenticator": "PasswordAuthenticator" if node.authenticates else "AllowAllAuthenticator",
    }
    if node.certificates is not None:
        settings["client_encryption_options"] = {
            "enabled": True,
            "keystore": str(node.certificates.keystore),
            "keystore_password": KEYSTORE_PASSWORD,
            "store_type": "PKCS12",
        }
    return settings
