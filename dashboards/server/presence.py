"""Who is on the board now: by this process' connections to the alert stream, and by those of all that share a Redis."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from dashboards.server.shared import Shared
from sinks.live.errors import LiveError

_log = logging.getLogger("fengsui.server")

EVERY_S = 5.0
#: A process that has not been heard of for so long is gone.
GONE_MS = 20_000
MAX_NAMES = 100


class Present(msgspec.Struct, frozen=True):
    """Connected boards by the name of who signed in; ``processes`` that serve them."""

    processes: int
    boards: int
    people: dict[str, int]


class Presence:
    """``connected``: this process' own, name -> boards. ``keep`` is called as often: what else is to be handed on."""

    def __init__(
        self,
        connected: Callable[[], Mapping[str, int]],
        shared: Shared | None,
        keep: Callable[[], Awaitable[None]],
    ) -> None:
        self._connected = connected
        self._shared = shared
        self._keep = keep
        self._process = secrets.token_hex(4)
        self._others: dict[str, dict[str, int]] = {}

    def now(self) -> Present:
        """As last heard; without Redis this process alone."""
        people = Counter(self._connected())
        for names in self._others.values():
            people.update(names)
        return Present(1 + len(self._others), people.total(), dict(people.most_common(MAX_NAMES)))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._keep()
                await self.exchange()
            except Exception:
                _log.exception("what boards share could not be exchanged; trying again in %s s", EVERY_S)
            await asyncio.sleep(EVERY_S)

    async def exchange(self) -> None:
        """Tells the others of ours, and hears of theirs."""
        if self._shared is None:
            return
        ours = dict(Counter(self._connected()).most_common(MAX_NAMES))
        key = self._shared.key("presence")
        try:
            heard = await self._shared.run("present", [key], [self._process, msgspec.json.encode(ours), GONE_MS])
        except LiveError:
            self._others = {}
            return
        self._others = {
            process.decode(): msgspec.json.decode(names, type=dict[str, int])
            for process, names in zip(heard[::2], heard[1::2], strict=True)
        }

    async def leave(self) -> None:
        """Takes ours away, for an end in order."""
        if self._shared is not None:
            key = self._shared.key("presence")
            await _quietly(self._shared, lambda client: client.hdel(key, self._process))


async def _quietly(shared: Shared, question: Callable[[Any], Awaitable[Any]]) -> None:
    try:
        await shared.ask(question)
    except LiveError:
        return
