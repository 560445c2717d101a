"""What the boards of one system share in Redis beside the alerts: the way there, and what is done while it is away."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sinks.live.address import RedisAddress
from sinks.live.errors import LiveDown, LiveFailed, named
from sinks.live.outage import Outage

T = TypeVar("T")

#: An answer to a browser waits for it.
_TIMEOUT_S = 0.5
_SCRIPTS = Path(__file__).parent / "scripts"


@cache
def _script(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text("utf-8")


class Shared:
    """Asks Redis from the event loop. ``identity`` names the system, so that two in one Redis share nothing.

    While Redis is away it is tried again more and more rarely, and every other question fails at once: no browser waits.
    """

    def __init__(self, address: RedisAddress, identity: str) -> None:
        self.address = address
        #: the same for all boards of a system, and for no other
        self.scope = hashlib.sha256(f"{address.prefix}\n{identity}".encode()).hexdigest()[:8]
        self._outage = Outage()
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def key(self, *parts: str) -> str:
        return ":".join((self.address.prefix, self.scope, *parts))

    async def ask(self, question: Callable[[Any], Awaitable[T]]) -> T:
        """The answer of ``question(client)``. LiveError."""
        if not self._outage.may_try():
            raise LiveDown(self._outage.error)
        try:
            with named(self.address):
                answer = await question(self._connected())
        except LiveFailed:
            raise  # of this question, not of the way there
        except Exception as error:
            self._outage.failed(error)
            raise
        self._outage.over()
        return answer

    async def run(self, script: str, keys: list[str], arguments: list[object]) -> Any:
        """One of the scripts beside this module. LiveError."""
        return await self.ask(lambda client: client.register_script(_script(script))(keys=keys, args=arguments))

    def _connected(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = self.address.async_client(timeout_s=_TIMEOUT_S), loop
        return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()
