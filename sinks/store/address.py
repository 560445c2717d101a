"""Where the store is, and how it is entered: in this process, on a server, or on several that hold the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sinks.store.errors import StoreFailed

DATABASE = "fengsui"


@dataclass(frozen=True)
class Address:
    """``url``: ``chdb:///path`` or ``http(s)://user@host:8123/database``. A password there gives way to ``password``.

    ``cluster``: tables are made ``ON CLUSTER`` of this name. ``replicated``: their engines are Replicated ones. ``authority``: the
    certificate that signed the server's, PEM. ``gathered``: the server gathers inserts of many writers into few parts.
    """

    url: str
    password: str | None = field(default=None, repr=False)
    cluster: str = ""
    replicated: bool = False
    authority: Path | None = None
    gathered: bool = False
    #: How long a server may take for one answer.
    timeout_s: float = 310.0

    @classmethod
    def of(cls, place: str | Address) -> Address:
        return place if isinstance(place, Address) else cls(place)

    @property
    def embedded(self) -> bool:
        return self.url.startswith("chdb:")

    @property
    def place(self) -> str:
        """Without user and password, for messages."""
        return public(self.url)

    @property
    def database(self) -> str:
        if self.embedded:
            return DATABASE
        return urlsplit(self.url).path.strip("/") or DATABASE

    @property
    def directory(self) -> Path | None:
        """The directory of a ``chdb://`` address, or None for one in memory."""
        text = self.url.removeprefix("chdb://")
        if text in ("", "memory", ":memory:"):
            return None
        if "?" in text:
            raise StoreFailed(f"{self.url}: the engine takes no path with a question mark")
        return Path(text)


def public(url: str) -> str:
    """The address without user and password."""
    parts = urlsplit(url)
    if parts.scheme == "chdb" or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
