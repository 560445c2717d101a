"""Signed-in browsers, and the one-time codes that sign them in. They outlive a restart: a wall screen stays signed in."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from dashboards.server.tokens import write_private

SESSIONS_FILE = "sessions.json"
MAX_SESSIONS = 1_000
MAX_CODES = 100
SESSION_LIFE_MS = 30 * 86_400_000
#: A session in use is prolonged, but written down at most this often.
PROLONG_EVERY_MS = 86_400_000
CODE_LIFE_MS = 15 * 60_000


class Session(msgspec.Struct, frozen=True):
    """``epoch`` binds it to the token in force when it began."""

    name: str
    role: str
    epoch: str
    expires_ms: int


class Sessions:
    """Sessions by the hash of their secret: the file gives nobody a way in. ``clock`` gives epoch ms."""

    def __init__(self, directory: Path, clock: Callable[[], int]) -> None:
        self._path = directory / SESSIONS_FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._codes: dict[str, int] = {}
        self._sessions = self._load()

    def _load(self) -> dict[str, Session]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Session])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}  # a lost file only means that people sign in again

    def _save(self) -> None:
        write_private(self._path, msgspec.json.encode(self._sessions).decode())

    def begin(self, *, name: str, role: str, epoch: str) -> str:
        """A new session -> its secret, for the cookie."""
        secret, now_ms = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            alive = {k: s for k, s in self._sessions.items() if s.expires_ms > now_ms and s.epoch == epoch}
            while len(alive) >= MAX_SESSIONS:
                alive.pop(min(alive, key=lambda k: alive[k].expires_ms))
            alive[hash_of(secret)] = Session(name, role, epoch, now_ms + SESSION_LIFE_MS)
            self._sessions = alive
            self._save()
        return secret

    def find(self, secret: str, *, epoch: str) -> Session | None:
        """The session of a cookie, prolonged by its use; None where it is unknown, expired or of an older token."""
        key, now_ms = hash_of(secret), self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None or session.epoch != epoch or session.expires_ms <= now_ms:
                return None
            if session.expires_ms < now_ms + SESSION_LIFE_MS - PROLONG_EVERY_MS:
                session = msgspec.structs.replace(session, expires_ms=now_ms + SESSION_LIFE_MS)
                self._sessions = {**self._sessions, key: session}
                self._save()
            return session

    def end(self, secret: str) -> None:
        with self._lock:
            if self._sessions.pop(hash_of(secret), None) is not None:
                self._save()

    def issue_code(self, *, life_ms: int = CODE_LIFE_MS) -> str:
        """A code for one sign-in, for a link that is printed or sent to one person."""
        code, now_ms = secrets.token_urlsafe(24), self._clock()
        with self._lock:
            self._codes = {c: t for c, t in self._codes.items() if t > now_ms}
            while len(self._codes) >= MAX_CODES:
                self._codes.pop(next(iter(self._codes)))
            self._codes[hash_of(code)] = now_ms + life_ms
        return code

    def take_codes(self) -> dict[str, int]:
        """Every code by its hash, and when it expires (epoch ms): no longer good here, to be kept elsewhere."""
        with self._lock:
            taken, self._codes = self._codes, {}
        return taken

    def put_code(self, key: str, expires_ms: int) -> None:
        """One that could not be kept elsewhere is good here again."""
        with self._lock:
            self._codes[key] = expires_ms

    def spend_code(self, code: str) -> bool:
        """True once for each code that has not expired."""
        with self._lock:
            expires_ms = self._codes.pop(hash_of(code), None)
        return expires_ms is not None and expires_ms > self._clock()


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
