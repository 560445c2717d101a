"""Kinds whose every match opens an alert of its own, which time or a person closes: sequences and new values."""

from __future__ import annotations

import heapq
from typing import Any

from rules.book import AlertBook, Opening
from rules.keys import KeyIndex
from rules.kinds.runtime import Runtime
from rules.model import Rule
from rules.stretch import Passage


class Matches(Runtime):
    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook) -> None:
        super().__init__(rule, keys, book)
        self._open: dict[str, None] = {}
        self._clearing: list[tuple[int, str]] = []  # (opened + clear_after, alert), a heap

    def match(self, key: dict[str, Any], opening: Opening, cause: int) -> None:
        alert = self.book.open(self.rule, key, opening, cause=cause)
        if alert is None:
            return
        self._open[alert] = None
        if self.rule.clear_after_ms is not None:
            heapq.heappush(self._clearing, (opening.at_ms + self.rule.clear_after_ms, alert))

    def clear_before(self, now: int, passage: Passage) -> None:
        """Close what was due before ``now``."""
        while self._clearing and self._clearing[0][0] < now:
            due, alert = heapq.heappop(self._clearing)
            if self._open.pop(alert, 0) is None:
                cause = passage.position(int(passage.passed(due)))
                self.book.close(alert, due, auto_resolve=self.rule.auto_resolve, cause=cause)

    def resolve(self, alert: str) -> None:
        self._open.pop(alert, None)

    def alerts(self) -> list[str]:
        return list(self._open)

    def state(self) -> dict[str, Any]:
        return {
            "clearing": [list(entry) for entry in self._clearing],
            "open": list(self._open),
            "keyless": self.keyless,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._clearing = [tuple(entry) for entry in state["clearing"]]
        self._open = dict.fromkeys(state["open"])
        self.keyless = state["keyless"]
