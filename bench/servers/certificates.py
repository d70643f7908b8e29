"""A throw-away certificate authority and a server certificate for 127.0.0.1, as files."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

_LIFETIME: Final = datetime.timedelta(days=30)

KEYSTORE_PASSWORD: Final = "throw-away"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """authority and certificate are PEM files, as is the key; keystore holds both for Java (PKCS #12)."""

    authority: Path
    certificate: Path
    key: Path
    keystore: Path


def make_certificates(folder: Path) -> CertificateFiles:
    """Write new ones into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = CertificateFiles(
        folder / "authority.pem", folder / "server.pem", folder / "server.key", folder / "server.p12"
    )
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _sign("throw-away authority", authority_key, None, authority_key)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign("127.0.0.1", key, authority, authority_key)
    files.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    encryption = BestAvailableEncryption(KEYSTORE_PASSWORD.encode())
    files.keystore.write_bytes(
        pkcs12.serialize_key_and_certificates(b"server", key, certificate, [authority], encryption)
    )
    return files


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
