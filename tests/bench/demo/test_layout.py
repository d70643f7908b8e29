from __future__ import annotations

from pathlib import Path

from bench.demo.layout import Layout, hooks_port, moved
from bench.demo.servers import Servers
from proxy.config import load
from proxy.model import Endpoint
from proxy.rooms.mint import write_demo_keys


def test_loopback_ports_move_and_paths_lose_the_way_into_the_demo() -> None:
    config = 'listen: "127.0.0.1:8080"\npath: ../.demo/home.sqlite  # 127.0.0.1:9080, and 8080 stays\n'
    moved_config = 'listen: "127.0.0.1:18080"\npath: home.sqlite  # 127.0.0.1:19080, and 8080 stays\n'
    assert moved(config, 10_000) == moved_config


def test_the_written_configs_are_sound_and_agree_with_the_layout(tmp_path: Path) -> None:
    layout = Layout(tmp_path, port=28080)
    write_demo_keys(layout.keys)
    layout.write_configs()
    for edge in layout.edges:
        settings = load(layout.config(edge))
        assert settings.edge.jurisdiction == edge.jurisdiction
        assert settings.edge.listen == Endpoint("127.0.0.1", edge.port)
        assert settings.edge.admin == Endpoint("127.0.0.1", edge.admin_port)
        assert settings.store.path == layout.store
        assert [cell.endpoints[0].port for cell in settings.cells] == [28101, 28102, 28103, 28104]


def test_the_sections_of_another_store_take_the_place_of_the_embedded_one_on_every_edge(
    tmp_path: Path,
) -> None:
    layout = Layout(tmp_path, port=28080)
    write_demo_keys(layout.keys)
    layout.write_configs(Servers(20_001, 20_002, None).config())
    for edge in layout.edges:
        settings = load(layout.config(edge))
        assert settings.store.path is None
        assert settings.store.cassandra is not None
        assert settings.store.cassandra.port == 20_002
        assert settings.redis is not None
        assert settings.redis.addresses == (Endpoint("127.0.0.1", 20_001),)


def test_no_two_things_of_a_demo_share_a_port_and_the_edge_knows_no_port_of_webhooks(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_demo_keys(layout.keys)
    layout.write_configs()
    cells = load(layout.config(layout.eu)).cells
    ports = [port for edge in layout.edges for port in (edge.port, edge.admin_port)]
    endpoints = [endpoint.port for cell in cells for endpoint in cell.endpoints]
    assert len({*ports, *endpoints, *map(hooks_port, cells)}) == 12
