"""JWK Sets as an identity provider would publish them, and worse ones."""

from __future__ import annotations

import json

import jwt

from proxy.rooms.canonical import encode_base64url
from tests.proxy.rooms.forge import SECRET, private_key


def entry(algorithm: str, kid: object = "k", **changed: object) -> dict[str, object]:
    """A good JWK, changed; `...` leaves a member out."""
    if algorithm == "HS256":
        members: dict[str, object] = {"kty": "oct", "k": encode_base64url(SECRET).decode()}
    else:
        public = private_key(algorithm).public_key()
        members = {**jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)}
        members.pop("key_ops", None)
    members = {**members, "kid": kid, "alg": algorithm, **changed}
    return {name: value for name, value in members.items() if value is not ...}


def key_set(*ids: str) -> bytes:
    return json.dumps({"keys": [entry("ES256", kid) for kid in ids]}).encode()
