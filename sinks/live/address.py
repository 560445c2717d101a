"""Where live state is kept: ``memory://``, or a Redis and the prefix of our keys in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MEMORY = "memory://"
_PORT = 6379
_CONNECT_S = 1.0
_FORM = "write memory:// or redis[s]://[[USER]:PASSWORD@]HOST:PORT/DB?prefix=NAME"


@dataclass(frozen=True)
class RedisAddress:
    """``str()`` shows no password. ``prefix`` begins every key of ours; ``ca`` is a file of authorities for TLS."""

    host: str
    port: int = _PORT
    db: int = 0
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = "fengsui"
    ca: str | None = None

    @classmethod
    def parse(cls, url: str, *, password: str | None = None) -> RedisAddress | None:
        """None for ``memory://``. ``password`` stands in for one that the URL does not have. ValueError says what to write."""
        parts = urlsplit(url)
        if url in (MEMORY, "memory:"):
            return None
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError(_FORM)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = given.keys() - {"prefix", "ca"}
        if unknown:
            raise ValueError(f"no such parameter: {min(unknown)}; there are prefix and ca")
        db, prefix = parts.path.removeprefix("/") or "0", given.get("prefix", "fengsui")
        if not (db.isascii() and db.isdigit()):
            raise ValueError(f"the database after the / is a number; {_FORM}")
        if not prefix or not all(char.isalnum() or char in "-_.:" for char in prefix) or len(prefix) > 100:
            raise ValueError("prefix: letters, digits and - _ . : only, 100 at most")
        return cls(
            host=parts.hostname,
            port=parts.port or _PORT,
            db=int(db),
            tls=parts.scheme == "rediss",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else password,
            prefix=prefix,
            ca=given.get("ca"),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' if self.tls else ''}://{host}:{self.port}/{self.db}?prefix={self.prefix}"

    def client(self, *, timeout_s: float) -> Any:
        """A client for threads. No retries of its own but one, for a connection that was closed while it was idle."""
        # The library takes a while to load, and settings are read by every command.
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis(**self._options(timeout_s), retry=Retry(NoBackoff(), 1))

    def async_client(self, *, timeout_s: float) -> Any:
        """A client for the event loop in which it is first used."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return redis.asyncio.Redis(**self._options(timeout_s), retry=Retry(NoBackoff(), 1))

    def _options(self, timeout_s: float) -> dict[str, Any]:
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "db": self.db,
            "username": self.user,
            "password": self.password,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": min(_CONNECT_S, timeout_s),
            "protocol": 2,
            "client_name": "fengsui",
        }
        return {**options, "ssl": True, "ssl_ca_certs": self.ca} if self.tls else options
