"""The field types of the config: what a single value must look like, whatever key it stands under."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict, ValidationInfo
from pydantic_core import PydanticCustomError

from proxy.model import Endpoint

OWN_MISTAKE: Final = "homecell"
"""Type of the pydantic errors raised here: their context holds `what` and `mend`."""

NO_WEBHOOK: Final = "none"
"""Said where it must be clear that there is none."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2; also a cookie name
_COOKIE_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")  # it stands in the cookie between dots
_KEYSPACE: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")  # what Cassandra takes without quotes
_DATACENTRE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_NETLOC: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_MEDIA_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~\w-]+/[!#$%&'*+.^_`|~\w-]+(?:; ?[\w-]+=[\w.-]+)*", re.ASCII)


def mistake(what: str, mend: str) -> PydanticCustomError:
    """An error for a validator to raise; the loader turns it into a finding at the value's line."""
    return PydanticCustomError(OWN_MISTAKE, "{what}; {mend}", {"what": what, "mend": mend})


def shown(value: object) -> str:
    """A value for a message: quoted, escaped, short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + "...'"


def parse_endpoint(text: str) -> Endpoint:
    """`host:port` with an IPv4 literal, a name, or an IPv6 literal in brackets. Raises ValueError."""
    scheme, two_slashes, rest = text.partition("://")
    if two_slashes:
        also = " and the path" if "/" in rest else ""
        raise ValueError(f"leave out {shown(scheme + two_slashes)}{also}")
    host, colon, port_text = text.rpartition(":")
    if not colon or not host:
        raise ValueError("it has no port")
    if not port_text.isascii() or not port_text.isdigit() or not 1 <= int(port_text[:6]) <= 65535:
        raise ValueError("its port is not 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        return Endpoint(_ipv6(host[1:-1]), int(port_text))
    if ":" in host:
        raise ValueError("its IPv6 address has no brackets")
    if host.replace(".", "").isdigit():
        _ipv4(host)
    elif len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError(f"{shown(host)} is no host name")
    return Endpoint(host, int(port_text))


def _ipv6(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is no IPv6 address") from error
    if address.version != 6:
        raise ValueError("its brackets hold an IPv4 address")
    return str(address)


def _ipv4(text: str) -> None:
    try:
        ip_address(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is no IPv4 address") from error


def is_address(host: str) -> bool:
    """Whether the host is an IP literal, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    mend = 'write it as "host:port", e.g. "127.0.0.1:8080" or "[::1]:8080"'
    if not isinstance(value, str):
        raise mistake(f"is {shown(value)}, not a host and port", mend)
    try:
        return parse_endpoint(value)
    except ValueError as error:
        raise mistake(f"is {shown(value)}: {error}", mend) from error


def _host(value: str) -> str:
    try:
        return parse_endpoint(f"[{value}]:1" if ":" in value else f"{value}:1").host
    except ValueError as error:
        raise mistake(f"is {shown(value)}, no host", "write an address or a name, without a port") from error


def _keyspace(value: str) -> str:
    if not _KEYSPACE.fullmatch(value):
        mend = "use 1 to 48 lower-case letters, digits and `_`, a letter first"
        raise mistake(f"is {shown(value)}", mend)
    return value


def _datacentre(value: str) -> str:
    if not _DATACENTRE.fullmatch(value):
        raise mistake(f"is {shown(value)}", "use 1 to 63 letters, digits, `-`, `_` and `.`")
    return value


def _listen(value: Endpoint) -> Endpoint:
    if not is_address(value.host):
        mend = 'write the address to listen on, e.g. "127.0.0.1:8080", or "0.0.0.0:8080" for all of them'
        raise mistake(f"names {shown(value.host)}, not an address", mend)
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise mistake(f"is {shown(value)}", "use 1 to 63 lower-case letters, digits and inner hyphens")
    return value


def _token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise mistake(f"is {shown(value)}", "use letters, digits, `-`, `_` and `.`, without spaces")
    return value


def _cookie_key_id(value: str) -> str:
    if not _COOKIE_KEY_ID.fullmatch(value):
        raise mistake(f"is {shown(value)}", "use 1 to 32 letters, digits, `-` and `_`")
    return value


def _words(value: str) -> str:
    if not value or not value.isprintable():
        raise mistake(f"is {shown(value)}", "write some printable text on one line")
    return value


def _prefix(value: str) -> str:
    start, *segments = value.split("/")
    is_clean = value.isprintable() and not start and not set(value) & set(" ?#%")
    if not is_clean or not segments or (value != "/" and {"", ".", ".."} & set(segments)):
        mend = (
            "write `/` or `/some/segments`: decoded, no slash at the end, no `.` or `..` segments, `?`, `#`"
        )
        raise mistake(f"is {shown(value)}, which is no prefix of a path", mend)
    return value


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise mistake(f"is {shown(value)}, which is no media type", "write e.g. `application/json`")
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    mend = 'write e.g. "10.0.0.0/8" or "fd00::/8"'
    if not isinstance(value, str):
        raise mistake(f"is {shown(value)}, not a network", mend)
    try:
        return ip_network(value)
    except ValueError as error:
        detail = "with bits set behind its prefix" if "host bits" in str(error) else "which is no network"
        raise mistake(f"is {shown(value)}, {detail}", mend) from error


def split_url(value: str) -> SplitResult | None:
    """The parts of an `http(s)://host[:port]` address, None when it is not one."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    clean = _NETLOC.fullmatch(parts.netloc) and not parts.query and not parts.fragment
    return parts if sound and clean and parts.path in ("", "/") else None


def _url(value: str) -> str:
    if "@" in value:
        raise mistake(
            "holds a user name or password", "write the bare address, e.g. `https://eu.example.com`"
        )
    if split_url(value) is None:
        raise mistake(
            f"is {shown(value)}, not an edge's address", "write e.g. `https://eu.example.com`, without a path"
        )
    return value


def _webhook(value: str) -> str:
    if "@" in value:
        raise mistake("holds a user name or password", "let the webhook know who calls by where it listens")
    parts = urlsplit(value) if value.isascii() and value.isprintable() and " " not in value else None
    bare = None if parts is None else f"{parts.scheme}://{parts.netloc}"
    if parts is None or bare is None or split_url(bare) is None or parts.fragment:
        raise mistake(f"is {shown(value)}, no webhook", "write e.g. `https://mover.example.com/copy`")
    return value


def _webhook_or_none(value: str) -> str:
    return value if value == NO_WEBHOOK else _webhook(value)


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise mistake(f"is {shown(value)}, not a path", "write a path, relative to this file or absolute")
    if not value or "\0" in value:
        raise mistake("is an empty path or holds a NUL", "write a path, relative to this file or absolute")
    if looks_like_secret(value):
        raise mistake(
            "looks like the secret itself, not a file", "put the secret into a file and name that file here"
        )
    folder = info.context if isinstance(info.context, Path) else Path()
    return file_path(value, folder)


def file_path(text: str, folder: Path) -> Path:
    """The absolute path that a config in `folder` means. Links stay: /dev/stdout would become a pipe."""
    return Path(os.path.abspath(folder / text))  # noqa: PTH100


def looks_like_secret(text: str) -> bool:
    """Whether somebody may have pasted a secret where a path belongs; such a value is never shown."""
    return (
        text.startswith("-----BEGIN")
        or "\n" in text
        or (len(text) >= 24 and "/" not in text and "." not in text)
    )


Seconds = Annotated[float, Strict(), Field(gt=0, le=31_536_000, allow_inf_nan=False)]
SecondsOfADay = Annotated[float, Strict(), Field(gt=0, le=86_400, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Strict(), Field(ge=0, le=300, allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Strict(), Field(ge=0, le=2**50)]
Text = Annotated[str, Strict(), Field(max_length=4096), AfterValidator(_words)]
Name = Annotated[str, Strict(), AfterValidator(_name)]
TokenText = Annotated[str, Strict(), Field(max_length=128), AfterValidator(_token)]
CookieKeyId = Annotated[str, Strict(), AfterValidator(_cookie_key_id)]
PathPrefix = Annotated[str, Strict(), Field(max_length=4096), AfterValidator(_prefix)]
MediaType = Annotated[str, Strict(), Field(max_length=256), AfterValidator(_media_type)]
EdgeUrl = Annotated[str, Strict(), Field(max_length=512), AfterValidator(_url)]
WebhookUrl = Annotated[str, Strict(), Field(max_length=512), AfterValidator(_webhook)]
WebhookOrNone = Annotated[str, Strict(), Field(max_length=512), AfterValidator(_webhook_or_none)]
FilePath = Annotated[Path, BeforeValidator(_path), PlainSerializer(str)]
Port = Annotated[int, Strict(), Field(ge=1, le=65_535)]
Host = Annotated[str, Strict(), AfterValidator(_host)]
Keyspace = Annotated[str, Strict(), AfterValidator(_keyspace)]
Datacentre = Annotated[str, Strict(), AfterValidator(_datacentre)]
CellEndpoint = Annotated[Endpoint, BeforeValidator(_endpoint)]
Listen = Annotated[Endpoint, BeforeValidator(_endpoint), AfterValidator(_listen)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
