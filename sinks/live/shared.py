"""A live state in Redis as a board's process has it: its copy, the sink that writes, and the rebuild, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from sinks.consumer import SinkThread, Source
from sinks.live.address import RedisAddress
from sinks.live.errors import LiveError
from sinks.live.fill import Journal
from sinks.live.mirror import Mirror
from sinks.live.rebuild import Rebuilding
from sinks.live.redis import RedisLive
from sinks.live.writer import LiveWriter
from sinks.store.errors import StoreError
from sinks.store.store import Store

_log = logging.getLogger("fengsui.live")

#: Redis is tried again so often at least: it takes up nothing, and boards start faster with it.
_AGAIN_S = 5.0


class TransitionLog(Source, Journal, Protocol):
    """Positions are the transitions' ``seq``."""

    @property
    def identity(self) -> str: ...


class SharedLive:
    """Open with :meth:`open`. ``live`` answers from then on; :attr:`sink` is started and stopped by the caller."""

    def __init__(self, live: Mirror, sink: SinkThread, rebuilding: Rebuilding) -> None:
        self.live = live
        self.sink = sink
        self.rebuilding = rebuilding

    @classmethod
    def open(
        cls,
        stack: ExitStack,
        address: RedisAddress,
        log: TransitionLog,
        store: Store,
        *,
        clock: Callable[[], int],
        lineage: str | None = None,
        turns: bool = False,
    ) -> SharedLive:
        """Fills the copy, and Redis where it can be had; ``stack`` ends what was begun. LogError.

        ``lineage``: see :class:`~sinks.live.redis.RedisLive`; ``turns``: where many processes do this over one log.
        """
        shared = RedisLive(address, log.identity, lineage=lineage)
        stack.callback(shared.close)
        writer = LiveWriter(shared, log, store, turns=turns)
        try:
            writer.check()
        except (LiveError, StoreError) as error:
            _log.error("the live state in Redis cannot be brought up now; it is when it can: %s", error)
        live = Mirror(shared, log, store, clock=clock)
        live.begin()
        live.start()
        stack.callback(live.stop)
        sink = SinkThread(
            "live",
            log,
            writer.handle,
            clock=clock,
            start_at=log.newest,
            check=writer.check,
            most_wait_s=_AGAIN_S,
        )
        return cls(live, sink, Rebuilding(writer))
