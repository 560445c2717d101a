"""Clock and watermarks: contract section 2, word by word."""

from __future__ import annotations

from collections.abc import Mapping

from tests.reference.rule import NEVER, Fields, RefFeed

ALERT = "alert"


class Watermarks:
    def __init__(self, feeds: Mapping[str, RefFeed]) -> None:
        self.feeds = feeds
        self.clock = NEVER
        self.max_seen = dict.fromkeys(feeds, NEVER)
        self.greatest_time = NEVER
        self.ended: int | None = None
        #: the feeds whose rules feed that of the alerts, and how far it has come
        self.speaking: set[str] = set()
        self._alerts = NEVER

    def of(self, feed: str) -> int:
        if self.ended is not None:
            return self.ended
        if feed == ALERT:
            self._alerts = max(self._alerts, self.least(self.speaking))
            return self._alerts
        if self.clock == NEVER:
            return NEVER
        spec = self.feeds[feed]
        return max(self.max_seen[feed], self.clock - spec.idle) - spec.lateness

    def least(self, feeds: set[str]) -> int:
        return min((self.of(feed) for feed in feeds), default=NEVER)

    def event(self, event: Fields) -> None:
        """An event stamped ahead of its receipt moves the clock only to its receipt."""
        seen = log_time(event)
        self.clock = max(self.clock, seen)
        self.max_seen[event["feed"]] = max(self.max_seen[event["feed"]], seen)
        self.greatest_time = max(self.greatest_time, event["time"])

    def tick(self, at: int) -> None:
        self.clock = max(self.clock, at)

    def end(self, at: int | None) -> None:
        self.clock = max(self.clock, self.greatest_time if at is None else at)
        self.ended = self.clock


def log_time(event: Fields) -> int:
    """The instant to which an event can move the clock."""
    time: int = event["time"]
    return time if event.get("receipt") is None else min(time, event["receipt"])
