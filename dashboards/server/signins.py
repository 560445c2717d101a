"""Who is signed in: of one process, or of all boards that share a Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from dashboards.server.sessions import (
    MAX_SESSIONS,
    PROLONG_EVERY_MS,
    SESSION_LIFE_MS,
    Session,
    Sessions,
    hash_of,
)
from dashboards.server.shared import Shared
from sinks.live.errors import LiveError

_log = logging.getLogger("fengsui.server")

#: A session that was just found is not asked for again so soon: a page asks ten things at once.
_BELIEVED_S = 2.0


class SignIns(Protocol):
    """Sessions by the secret in their cookie, and one-time codes."""

    async def begin(self, *, name: str, role: str, epoch: str) -> str: ...
    async def find(self, secret: str, *, epoch: str) -> Session | None: ...
    async def end(self, secret: str) -> None: ...
    async def spend_code(self, code: str) -> bool: ...
    async def keep(self) -> None:
        """Called every few seconds: hands on what could not be handed on before."""


class OwnSignIns:
    """In a file of this process' directory."""

    def __init__(self, sessions: Sessions) -> None:
        self._own = sessions

    async def begin(self, *, name: str, role: str, epoch: str) -> str:
        return self._own.begin(name=name, role=role, epoch=epoch)

    async def find(self, secret: str, *, epoch: str) -> Session | None:
        return self._own.find(secret, epoch=epoch)

    async def end(self, secret: str) -> None:
        self._own.end(secret)

    async def spend_code(self, code: str) -> bool:
        return self._own.spend_code(code)

    async def keep(self) -> None:
        """Nothing is to be handed on."""


class SharedSignIns:
    """In Redis, where each board finds them; what began here stands in this board's file, too.

    While Redis is away, those that began or were seen here go on here. What begins or ends meanwhile is handed on
    when it is back, as it is after Redis lost its data; a session that was ended stays ended.
    """

    def __init__(self, sessions: Sessions, shared: Shared, clock: Callable[[], int]) -> None:
        self._own = sessions
        self._shared = shared
        self._clock = clock
        #: hash -> when it was last found, and the session; also what is believed of others' sessions without Redis
        self._seen: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        #: hash -> until when (epoch ms) others must be told that it ended
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._codes = asyncio.Lock()

    async def begin(self, *, name: str, role: str, epoch: str) -> str:
        secret = self._own.begin(name=name, role=role, epoch=epoch)
        session = self._own.find(secret, epoch=epoch)
        assert session is not None
        try:
            await self._put(hash_of(secret), session)
        except LiveError as error:
            _log.warning("a session is known to this board only, for now: %s", error)
        return secret

    async def find(self, secret: str, *, epoch: str) -> Session | None:
        key = hash_of(secret)
        if key in self._ended:
            return None
        seen_s, seen = self._seen.get(key, (0.0, None))
        if seen is None or time.monotonic() - seen_s > _BELIEVED_S:
            try:
                seen = await self._ask(key, secret, epoch)
            except LiveError:
                seen = seen or self._own.find(secret, epoch=epoch)
            else:
                self._remember(key, seen)
        if seen is None or seen.epoch != epoch or seen.expires_ms <= self._clock():
            return None
        return seen

    async def _ask(self, key: str, secret: str, epoch: str) -> Session | None:
        found, ended = await self._shared.ask(
            lambda client: client.mget(self._shared.key("session", key), self._shared.key("ended", key))
        )
        if ended is not None:
            self._own.end(secret)
            return None
        if found is None:
            own = self._own.find(secret, epoch=epoch)
            if own is not None:
                await self._put(key, own)
            return own
        session = msgspec.json.decode(found, type=Session)
        now_ms = self._clock()
        if now_ms < session.expires_ms < now_ms + SESSION_LIFE_MS - PROLONG_EVERY_MS and session.epoch == epoch:
            session = msgspec.structs.replace(session, expires_ms=now_ms + SESSION_LIFE_MS)
            await self._put(key, session)
        return session

    async def end(self, secret: str) -> None:
        self._own.end(secret)
        key = hash_of(secret)
        self._seen.pop(key, None)
        self._ended[key] = self._clock() + SESSION_LIFE_MS
        while len(self._ended) > MAX_SESSIONS:
            self._ended.popitem(last=False)
        await self._tell_ended()

    async def spend_code(self, code: str) -> bool:
        # Each stands in one place only, so that none is good twice; and none is on its way from one to the other.
        async with self._codes:
            if self._own.spend_code(code):
                return True
        try:
            return (
                await self._shared.ask(lambda client: client.getdel(self._shared.key("code", hash_of(code))))
                is not None
            )
        except LiveError:
            return False

    async def keep(self) -> None:
        await self._tell_ended()
        async with self._codes:
            for key, expires_ms in self._own.take_codes().items():
                try:
                    await self._put_code(key, expires_ms - self._clock())
                except LiveError:
                    self._own.put_code(key, expires_ms)

    async def _put_code(self, key: str, life_ms: int) -> None:
        if life_ms > 0:
            await self._shared.ask(lambda client: client.set(self._shared.key("code", key), 1, px=life_ms))

    async def _tell_ended(self) -> None:
        for key, until_ms in list(self._ended.items()):
            try:
                await self._tombstone(key, until_ms - self._clock())
            except LiveError:
                return  # with the next keep()
            self._ended.pop(key, None)

    async def _tombstone(self, key: str, life_ms: int) -> None:
        async def put(client: Any) -> None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.delete(self._shared.key("session", key))
                pipe.set(self._shared.key("ended", key), 1, px=max(1, life_ms))
                await pipe.execute()

        await self._shared.ask(put)

    async def _put(self, key: str, session: Session) -> None:
        await self._shared.run(
            "session",
            [self._shared.key("sessions"), self._shared.key("session", key)],
            [
                key,
                session.expires_ms,
                self._clock(),
                MAX_SESSIONS,
                msgspec.json.encode(session),
                self._shared.key("session", ""),
            ],
        )

    def _remember(self, key: str, session: Session | None) -> None:
        self._seen.pop(key, None)
        if session is not None:
            self._seen[key] = time.monotonic(), session
        while len(self._seen) > MAX_SESSIONS:
            self._seen.popitem(last=False)
