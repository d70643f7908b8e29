"""The varied traffic: no two requests alike, the same homes for all proxies, bodies of 107 bytes."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from bench.peers.check import forged
from bench.peers.traffic import (
    ACTIVE_USERS,
    AUDIENCE,
    REPLY_BODY_BYTES,
    USERS,
    Algorithm,
    World,
    make_world,
    read_requests,
    token,
    write_requests,
)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world((1, 2, 3, 4))


def test_every_request_has_a_token_path_and_id_of_its_own(world: World, tmp_path: Path) -> None:
    path = tmp_path / "requests"
    write_requests(world, Algorithm.HS256, path)
    read = read_requests(path)
    assert len(read) == ACTIVE_USERS
    for line in (0, 4, 5):
        assert len({request.split(b"\r\n")[line] for request in read}) == ACTIVE_USERS
    assert all(request.endswith(b"\r\n\r\n") for request in read)


def test_all_cells_answer_with_107_bytes_that_differ(world: World) -> None:
    bodies = {cell.reply_body for cell in world.cells}
    assert {len(body) for body in bodies} == {REPLY_BODY_BYTES}
    assert len(bodies) == len(world.cells)


def test_the_users_are_spread_evenly_and_alike_in_every_run(world: World) -> None:
    assert world.homes == make_world((5, 6, 7, 8)).homes
    for index in range(len(world.cells)):
        assert world.homes.count(index) == pytest.approx(USERS / len(world.cells), rel=0.02)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_forged_token_differs_only_in_its_signature_and_fails(world: World, algorithm: Algorithm) -> None:
    good = token(world, algorithm, 1, now_s=2_000_000_000)
    key = world.keys.secret if algorithm is Algorithm.HS256 else world.keys.public_pem(algorithm)
    claims = jwt.decode(good, key, [algorithm], audience=AUDIENCE, options={"verify_iat": False})
    assert claims["sub"] == "1"
    assert "home_cell" not in claims
    assert forged(good).rpartition(".")[0] == good.rpartition(".")[0]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged(good), key, [algorithm], audience=AUDIENCE)
