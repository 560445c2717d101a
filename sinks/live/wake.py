"""Waits for word that the live state in Redis has moved. Word that is missed costs no more than the wait."""

from __future__ import annotations

from typing import Any

from sinks.live.errors import named
from sinks.live.redis import RedisLive

_TIMEOUT_S = 5.0


class Wake:
    """A subscription, of one thread. Made at the first wait, and again after a fault."""

    def __init__(self, shared: RedisLive) -> None:
        self._address = shared.address
        self._channel = shared.channel
        self._client: Any = None
        self._words: Any = None

    def wait(self, timeout_s: float) -> None:
        """Until word comes, or the time is over. LiveError."""
        try:
            with named(self._address):
                if self._words is None:
                    self._client = self._address.client(timeout_s=_TIMEOUT_S)
                    self._words = self._client.pubsub(ignore_subscribe_messages=True)
                    self._words.subscribe(self._channel)
                    # What was said before we listened is found by looking, at once.
                    return
                heard = self._words.get_message(timeout=timeout_s)
                while heard is not None:  # many words are one
                    heard = self._words.get_message(timeout=0.0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        words, client, self._words, self._client = self._words, self._client, None, None
        for one in (words, client):
            if one is not None:
                one.close()
