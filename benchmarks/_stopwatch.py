"""Where the time of a replay goes: what each part takes for itself, without what it calls of the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from events.decode import Decoder
from rules.book import AlertBook
from rules.keys import KeyIndex
from rules.kinds.each import Each, EachGroup
from rules.kinds.runtime import EpisodeRuntime
from rules.kinds.window import Panel, Sliding, Windowed
from rules.panes import PaneTable
from rules.plan import FeedPlan
from rules.sliding import SlidingTable
from streams.dedupe import Dedupe
from streams.release import Release

#: part -> methods
PARTS: dict[str, list[tuple[type, str]]] = {
    "decode": [(Decoder, "decode")],
    "dedupe": [(Dedupe, "fresh")],
    "keys": [(KeyIndex, "encode"), (KeyIndex, "hear")],
    "masks": [(FeedPlan, "compute")],
    "order": [(Release, "take")],
    "panes": [(PaneTable, "take")],
    "sliding": [(SlidingTable, "take")],
    "each": [(EachGroup, "take"), (Each, "take")],
    "verdicts": [(Panel, "judge"), (Windowed, "take"), (Sliding, "take")],
    "emit": [(EpisodeRuntime, "apply"), (EpisodeRuntime, "pass_time"), (AlertBook, "harvest")],
}


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds = dict.fromkeys([*PARTS, "rest"], 0.0)
        self._running = ["rest"]
        self._since = time.process_time()

    def switch(self) -> None:
        now = time.process_time()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            self.switch()
            self._running.append(part)
            try:
                return method(*args, **kwargs)
            finally:
                self.switch()
                self._running.pop()

        return inner


@contextmanager
def _watching() -> Any:
    watch = _Stopwatch()
    kept = [(owner, name, owner.__dict__[name]) for methods in PARTS.values() for owner, name in methods]
    for part, methods in PARTS.items():
        for owner, name in methods:
            setattr(owner, name, watch.timed(part, owner.__dict__[name]))
    try:
        yield watch
    finally:
        watch.switch()
        for owner, name, method in kept:
            setattr(owner, name, method)


def breakdown(work: Callable[[Path], object], path: Path, *, rounds: int) -> dict[str, float]:
    """part -> seconds, the least of some rounds."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        with _watching() as watch:
            work(path)
        best = {part: min(took, best.get(part, took)) for part, took in watch.seconds.items()}
    return best
