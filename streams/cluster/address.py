"""Where a cluster's log is: ``kafka://[USER@]HOST:PORT[,HOST:PORT]/NAME[?partition_by=prefecture&security=sasl_ssl&...]``.

Passwords never stand in an address, which ends up in process lists and messages: they come from a file or from
``FENGSUI_KAFKA_PASSWORD``.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from streams.cluster.errors import SignInFailed, TlsFailed

PASSWORD_VARIABLE = "FENGSUI_KAFKA_PASSWORD"  # noqa: S105  # the name of a variable
SCHEME = "kafka"

PartitionBy = Literal["subject", "prefecture"]
Security = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_FORM = "write kafka://HOST:PORT/NAME, with several brokers as HOST:PORT,HOST:PORT"
#: It begins the names of topics; a dot in it could make two clusters' names meet.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_PARAMETERS = ("partition_by", "security", "mechanism", "ca", "password_file")


class AddressFault(ValueError):
    """An address that cannot be used; the text says what to write."""


@dataclass(frozen=True)
class Address:
    """A cluster: its brokers, its name, how its events are divided, and how to get in."""

    servers: tuple[str, ...]
    name: str
    partition_by: PartitionBy = "subject"
    security: Security = "plaintext"
    user: str | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    ca: Path | None = None
    password_file: Path | None = None

    @property
    def tls(self) -> bool:
        return self.security in {"ssl", "sasl_ssl"}

    @property
    def signs_in(self) -> bool:
        return self.security in {"sasl_plaintext", "sasl_ssl"}

    @property
    def brokers(self) -> str:
        return ",".join(self.servers)

    def topic(self, kind: str) -> str:
        """The full name of one of the cluster's topics, such as ``events``."""
        return f"{self.name}.{kind}"

    def password(self, environ: Mapping[str, str] | None = None) -> str:
        """The user's password. SignInFailed where there is none to be had."""
        if self.password_file is not None:
            try:
                return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise SignInFailed(f"password_file {self.password_file} cannot be read: {error}") from None
        password = (os.environ if environ is None else environ).get(PASSWORD_VARIABLE, "")
        if not password:
            raise SignInFailed(
                f"no password for {self.user} at {self.brokers}: set {PASSWORD_VARIABLE}, or give password_file=FILE in the "
                "address"
            )
        return password

    def tls_context(self) -> ssl.SSLContext:
        """What certificates are held against. TlsFailed where the CA file cannot be used."""
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise TlsFailed(f"ca {self.ca} cannot be read as certificates (PEM): {error}") from None

    def options(self) -> dict[str, Any]:
        """What each client of kafka-python is given."""
        options: dict[str, Any] = {"bootstrap_servers": list(self.servers), "security_protocol": self.security.upper()}
        if self.tls:
            options["ssl_context"] = self.tls_context()
        if self.signs_in:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password(),
            }
        return options

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{SCHEME}://{user}{self.brokers}/{self.name}"


def parse_address(url: str) -> Address:
    """The address that a URL names. AddressFault, which says what to write instead.

    >>> parse_address("kafka://a:9092,b:9092/henan?partition_by=prefecture").servers
    ('a:9092', 'b:9092')
    """
    parts = urlsplit(url)
    if parts.scheme != SCHEME:
        raise AddressFault(f"{_FORM}; this begins with {parts.scheme or url[:20]!r}")
    user, servers = _host(parts.netloc)
    name = parts.path.strip("/")
    if not name:
        raise AddressFault(f"the cluster's name is missing: {_FORM}")
    if not _NAME.fullmatch(name):
        raise AddressFault(f"{name!r} cannot be a cluster's name: letters, digits, - and _ only, 100 at most")
    given = _parameters(parts.query)
    security = _choice("security", given.get("security", "plaintext"), get_args(Security))
    mechanism = _choice("mechanism", given.get("mechanism", "SCRAM-SHA-512"), get_args(Mechanism))
    address = Address(
        servers,
        name,
        _choice("partition_by", given.get("partition_by", "subject"), get_args(PartitionBy)),
        security,
        user,
        mechanism,
        _file(given.get("ca")),
        _file(given.get("password_file")),
    )
    if address.signs_in != (user is not None):
        raise AddressFault(
            f"security={security} needs a user: kafka://USER@HOST:PORT/NAME"
            if address.signs_in
            else f"user {user!r} with security={security}: write security=sasl_ssl, or sasl_plaintext inside a closed network"
        )
    if address.ca is not None and not address.tls:
        raise AddressFault(f"ca={address.ca} with security={security}: write security=ssl or sasl_ssl")
    return address


def _host(netloc: str) -> tuple[str | None, tuple[str, ...]]:
    before, _, after = netloc.rpartition("@")
    if ":" in before:
        raise AddressFault(
            f"a password must not stand in the address: set {PASSWORD_VARIABLE}, or give password_file=FILE in the address"
        )
    servers = tuple(after.split(","))
    for server in servers:
        found = _SERVER.fullmatch(server)
        if found is None or not 0 < int(found[2]) < 65_536:
            raise AddressFault(f"{server!r} is no broker: {_FORM}")
    return unquote(before) or None, servers


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _PARAMETERS:
            raise AddressFault(f"no such parameter {name!r}; there are {', '.join(_PARAMETERS)}")
        if name in given:
            raise AddressFault(f"{name} is given twice")
        given[name] = value
    return given


def _choice(name: str, value: str, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise AddressFault(f"{name}={value}: write one of {', '.join(choices)}")
    return value


def _file(text: str | None) -> Path | None:
    if text is None:
        return None
    if not text:
        raise AddressFault("ca and password_file name files")
    return Path(text).expanduser()
