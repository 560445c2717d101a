"""The administrator's token: made at first start, kept in a file that only its owner may read."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

TOKEN_FILE = "admin.token"  # noqa: S105  # the name of a file
MIN_TOKEN_CHARS = 20


class TokenFileError(Exception):
    """The token file cannot be used; the message says what to do."""


def load_or_create(directory: Path) -> str:
    """The token of a data directory; a new one (mode 0600) where there is none yet."""
    path = directory / TOKEN_FILE
    try:
        return _read(path)
    except FileNotFoundError:
        return rotate(directory)


def rotate(directory: Path) -> str:
    """Writes a new token in place of the old one. A running server takes it up by itself (see :class:`AdminToken`)."""
    token = "fs_" + secrets.token_urlsafe(32)
    directory.mkdir(parents=True, exist_ok=True)
    write_private(directory / TOKEN_FILE, token + "\n")
    return token


def schema_key(token: str) -> str:
    """For editors, which fetch a schema by its address and can send no token."""
    return hmac.new(token.encode(), b"fengsui rules schema", hashlib.sha256).hexdigest()[:32]


def write_private(path: Path, text: str) -> None:
    """Replaces a file atomically; it is never readable by others, not even for a moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        # Somebody else may have read it, or a copy lost its mode: closing it again is all that can be done here.
        path.chmod(0o600)
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < MIN_TOKEN_CHARS:
        raise TokenFileError(
            f"{path} holds no token of at least {MIN_TOKEN_CHARS} characters: run `fengsui token rotate`"
        )
    return token


class AdminToken:
    """The token in force: follows the file, so that a rotation counts at once and without a restart."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / TOKEN_FILE
        self._token = load_or_create(directory)
        self._stamp = self._stat()

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    @property
    def value(self) -> str:
        stamp = self._stat()
        if stamp is not None and stamp != self._stamp:
            self._token, self._stamp = _read(self._path), stamp
        return self._token

    @property
    def epoch(self) -> str:
        """Names the token without giving it away: sessions are bound to it, and die with it."""
        return hashlib.sha256(b"fengsui session epoch\n" + self.value.encode()).hexdigest()[:16]

    @property
    def schema_key(self) -> str:
        """Opens the schema of rule files and nothing else; ends with the token."""
        return schema_key(self.value)

    def matches(self, candidate: str) -> bool:
        """Compares in constant time."""
        return hmac.compare_digest(candidate.encode("utf-8", "surrogateescape"), self.value.encode())
