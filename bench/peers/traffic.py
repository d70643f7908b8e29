"""The varied traffic: 100,000 users and their cells, keys, 20,000 tokens, ready-made requests. No sockets."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

USERS: Final = 100_000
ACTIVE_USERS: Final = 20_000
ISSUER: Final = "https://id.homecell.example"
AUDIENCE: Final = "homecell-bench"
TOKEN_LIFETIME_S: Final = 86_400
REPLY_BODY_BYTES: Final = 107


class Algorithm(StrEnum):
    """How the tokens of one table row are signed."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"

    @property
    def key_id(self) -> str:
        """The `kid` under which every proxy knows the key."""
        return f"bench-{self.lower()}"


@dataclass(frozen=True, slots=True)
class BenchCell:
    """One cell: a name and a port of the one origin; its replies name it, so that a wrong cell shows."""

    name: str
    jurisdiction: str
    region: str
    port: int

    @property
    def reply_body(self) -> bytes:
        """The 107 bytes of JSON that this cell answers with."""
        shell = json.dumps({"cell": self.name, "items": ""}, separators=(",", ":"))
        return json.dumps(
            {"cell": self.name, "items": "x" * (REPLY_BODY_BYTES - len(shell))}, separators=(",", ":")
        ).encode()


CELL_NAMES: Final = (
    ("eu-west-1-cell-01", "eu", "eu-west-1"),
    ("eu-west-1-cell-02", "eu", "eu-west-1"),
    ("us-east-1-cell-01", "us", "us-east-1"),
    ("us-east-1-cell-02", "us", "us-east-1"),
)


class Keys:
    """The secret and the key pairs that sign this run's tokens."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(32)
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def signing(self, algorithm: Algorithm) -> str | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
        """What PyJWT signs with: the shared secret, or the private key."""
        return self.secret if algorithm is Algorithm.HS256 else self._pair(algorithm)

    def public_pem(self, algorithm: Algorithm) -> bytes:
        """The public key of an asymmetric algorithm."""
        return (
            self._pair(algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )

    def _pair(self, algorithm: Algorithm) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
        return self.rsa if algorithm is Algorithm.RS256 else self.ec


@dataclass(frozen=True, slots=True)
class World:
    """What all peers of a run share: cells, each user's home (an index into `cells` by user number), keys."""

    cells: tuple[BenchCell, ...]
    homes: tuple[int, ...]
    keys: Keys = field(default_factory=Keys)

    def cell_of(self, user: int) -> BenchCell:
        """The home cell of a user."""
        return self.cells[self.homes[user]]


def make_world(ports: tuple[int, ...]) -> World:
    """Four cells on these ports, 100,000 users spread over them by chance (always the same chance)."""
    cells = tuple(BenchCell(*named, port) for named, port in zip(CELL_NAMES, ports, strict=True))
    homes = random.Random(1).choices(range(len(cells)), k=USERS)
    return World(cells, tuple(homes))


def token(
    world: World, algorithm: Algorithm, user: int, now_s: int, lifetime_s: int = TOKEN_LIFETIME_S
) -> str:
    """A token that says who the user is, and nothing about the cell: the cell has to be looked up."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(user), "iat": now_s, "exp": now_s + lifetime_s}
    return jwt.encode(claims, world.keys.signing(algorithm), algorithm, headers={"kid": algorithm.key_id})


def request(user: int, order: int, request_id: str, bearer: str) -> bytes:
    """One GET with the fields that a program's client sends."""
    return (
        f"GET /v1/users/{user}/orders/{order} HTTP/1.1\r\n"
        "Host: api.homecell.example\r\n"
        "User-Agent: bench/1.0\r\n"
        "Accept: application/json\r\n"
        f"Authorization: Bearer {bearer}\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    ).encode()


def requests(world: World, algorithm: Algorithm) -> Iterator[bytes]:
    """20,000 requests of as many users in random order; token, path and request id are each one's own."""
    chance = random.Random(2)
    now_s = int(time.time())
    for user in chance.sample(range(USERS), ACTIVE_USERS):
        order = chance.randrange(10**6, 10**7)
        yield request(user, order, f"{chance.getrandbits(128):032x}", token(world, algorithm, user, now_s))


def write_requests(world: World, algorithm: Algorithm, path: Path) -> None:
    """Write all requests into one file, which the load generators cut at each head's end."""
    path.write_bytes(b"".join(requests(world, algorithm)))


def read_requests(path: Path) -> list[bytes]:
    """The requests of a file that `write_requests` wrote."""
    return [head + b"\r\n\r\n" for head in path.read_bytes().split(b"\r\n\r\n")[:-1]]
