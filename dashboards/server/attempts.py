"""How often one may try to sign in: a bucket of tokens for each address. A success fills it again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from dashboards.server.shared import Shared
from sinks.live.errors import LiveError

#: So many tries at once, then one more every so often.
BURST = 20
EACH_MS = 3_000
#: Addresses that are remembered; beyond that the one that tried longest ago is forgotten.
MAX_ADDRESSES = 10_000


class Attempts(Protocol):
    async def take(self, who: str) -> float:
        """Seconds to wait; 0 where one may try now."""

    async def succeeded(self, who: str) -> None: ...


class OwnAttempts:
    """Counted by this process. ``clock`` gives epoch ms."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        #: who -> when his bucket is full again
        self._full_ms: OrderedDict[str, int] = OrderedDict()

    async def take(self, who: str) -> float:
        now_ms = self._clock()
        full_ms = max(now_ms, self._full_ms.pop(who, now_ms))
        wait_ms = full_ms + EACH_MS - now_ms - EACH_MS * BURST
        self._full_ms[who] = full_ms if wait_ms > 0 else full_ms + EACH_MS
        while len(self._full_ms) > MAX_ADDRESSES:
            self._full_ms.popitem(last=False)
        return max(0.0, wait_ms / 1000)

    async def succeeded(self, who: str) -> None:
        self._full_ms.pop(who, None)


class SharedAttempts:
    """Counted by all boards together; by each for itself while Redis is away."""

    def __init__(self, shared: Shared, clock: Callable[[], int]) -> None:
        self._shared = shared
        self._own = OwnAttempts(clock)

    async def take(self, who: str) -> float:
        try:
            return (
                float(await self._shared.run("attempt", [self._shared.key("attempts", who)], [EACH_MS, BURST])) / 1000
            )
        except LiveError:
            return await self._own.take(who)

    async def succeeded(self, who: str) -> None:
        await self._own.succeeded(who)
        try:
            await self._shared.ask(lambda client: client.delete(self._shared.key("attempts", who)))
        except LiveError:
            return


def who_is(host: str | None) -> str:
    """An address as it is counted: of IPv6 the network, which one person has whole."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or "unknown"
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)
