"""What several engines pass on, brought into one order again.

Each one's share comes in the order of its stamps, and it says how far it has come. What was stamped before all have come there is
complete, and goes on in order of (stamp, partition, position), a slice of some 0.13 s at a time, followed by the least of their
watermarks at its end. So the order is that in which the door judged the events, whoever was quicker to pass them on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rules.arrays import NEVER, Bools, Ints
from streams.cluster.passed import Passed, Progress, decode_passed, encode_passed

#: A slice is 2**7 ms of stamps.
SLICE_BITS = 27


@dataclass(frozen=True, eq=False)
class Rows:
    """Events of one group, in order."""

    stamps: Ints
    late: Bools
    lines: list[bytes]


@dataclass(frozen=True, eq=False)
class Slice:
    """Everything that was stamped before ``end``, and not in an earlier slice; and how far all had come by then."""

    end: int
    groups: Mapping[str | None, list[Passed]]
    clock_ms: int
    marks: Mapping[str, int]

    def rows(self, group: str | None, first: int, end: int) -> Rows | None:
        """Events of a group that were stamped in [first, end)."""
        parts = []
        for part in self.groups.get(group, ()):
            low, high = np.searchsorted(part.stamps, [first, end]).tolist()
            if low < high:
                parts.append(part.rows(low, high))
        if not parts:
            return None
        stamps = np.concatenate([part.stamps for part in parts])
        late = np.concatenate([part.late for part in parts])
        lines = [line for part in parts for line in part.lines]
        # each part rises, and they lie by partition and position: a stable sort by stamp is all
        order = np.argsort(stamps, kind="stable")
        return Rows(stamps[order], late[order], [lines[row] for row in order.tolist()])


class Merger:
    """``origins``: the engines that must have come somewhere before anything there is complete."""

    def __init__(self, origins: list[str]) -> None:
        #: what each has said: the newest of what it said before the end of the last slice, and what came after
        self._progress: dict[str, list[Progress]] = {name: [] for name in sorted(origins)}
        #: (partition, group) -> the position up to which its events were taken, so that those passed on again are not
        self._seen: dict[tuple[int, str | None], int] = {}
        self._parts: list[Passed] = []
        self._end = 0

    @property
    def waiting(self) -> int:
        """Events that are not complete yet."""
        return sum(map(len, self._parts))

    def add(self, passed: Passed) -> None:
        """Events of one engine and group; of those that were there before nothing is taken."""
        name = passed.partition, passed.group
        first = int(np.searchsorted(passed.pos, self._seen.get(name, -1), side="right"))
        if first < len(passed):
            self._seen[name] = int(passed.pos[-1])
            self._parts.append(passed.rows(first, len(passed)))

    def advance(self, origin: str, progress: Progress) -> None:
        """An engine has come this far; what it says again is no news."""
        known = self._progress.get(origin)
        if known is None:
            return
        if not known or progress.stamp > known[-1].stamp:
            known.append(progress)
        elif _further(progress, known[-1]):
            known[-1] = progress

    def take(self) -> Slice | None:
        """The next slices that are complete, as one; None where none is."""
        if not all(self._progress.values()):
            return None
        end = min(known[-1].stamp for known in self._progress.values()) >> SLICE_BITS << SLICE_BITS
        if end <= self._end:
            return None
        self._end = end
        groups: dict[str | None, list[Passed]] = {}
        rest: list[Passed] = []
        for part in sorted(self._parts, key=lambda part: (part.partition, int(part.pos[0]))):
            cut = int(np.searchsorted(part.stamps, end))
            if cut:
                groups.setdefault(part.group, []).append(part.rows(0, cut))
            if cut < len(part):
                rest.append(part.rows(cut, len(part)))
        self._parts = rest
        return Slice(end, groups, *self._least(end))

    def _least(self, end: int) -> tuple[int, dict[str, int]]:
        """Clock and watermarks that all had reached before ``end``: what they said then holds for all that was stamped later."""
        before = []
        for name, known in self._progress.items():
            place = bisect_left(known, end, key=_stamp)
            if place:
                before.append(known[place - 1])
                self._progress[name] = known[place - 1 :]
        if len(before) < len(self._progress):
            return NEVER, {}
        return least(before)

    def state(self) -> dict[str, Any]:
        return {
            "progress": [
                [name, [[one.stamp, one.clock_ms, one.marks] for one in known]]
                for name, known in self._progress.items()
            ],
            "seen": [[partition, group, pos] for (partition, group), pos in self._seen.items()],
            "parts": [encode_passed(part) for part in self._parts],
            "end": self._end,
        }

    def load(self, state: dict[str, Any]) -> None:
        for name, known in state["progress"]:
            if name in self._progress:
                self._progress[name] = [Progress(*one) for one in known]
        self._seen = {(partition, group): pos for partition, group, pos in state["seen"]}
        self._parts = [decode_passed(part) for part in state["parts"]]
        self._end = state["end"]


def least(progress: list[Progress]) -> tuple[int, dict[str, int]]:
    """Clock and watermarks that all have reached."""
    feeds = {feed for one in progress for feed in one.marks}
    marks = {feed: min(one.marks.get(feed, NEVER) for one in progress) for feed in sorted(feeds)}
    return min(one.clock_ms for one in progress), marks


def _further(progress: Progress, before: Progress) -> bool:
    """At the same stamp time may have gone on: a tick has none of its own where the wall clock stood."""
    return progress.stamp == before.stamp and progress.clock_ms > before.clock_ms


def _stamp(progress: Progress) -> int:
    return progress.stamp
