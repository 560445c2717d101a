"""Keeps the live state in Redis up with the transition log: as a sink's handler, and by itself where Redis lost something."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_changes

from sinks.filters import Filter
from sinks.live.errors import LiveLost
from sinks.live.fill import READ_BYTES, READ_ENTRIES, Journal, fill, transitions_of
from sinks.live.redis import Head, RedisLive
from sinks.store.store import Store
from streams.log.entry import Entry

#: Redis may lose its data again while it is brought up; then the sink's own back-off takes over.
_TRIES = 3
#: Much less than it takes until another copy of this system may write.
_HOLD_EVERY_S = 3.0
_TURN_EVERY_S = 1.0
_AHEAD_S = 2.0

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild put in force, and the position of the log that it holds."""

    build: str
    position: int
    unresolved: int
    resolved: int


class LiveWriter:
    """Writes what the log holds. Any number may run; each goes on from where Redis stands. With ``turns`` one of them writes
    and the others stand by, to go on within seconds where it falls silent.

    ``journal`` is the whole transition log. Calls raise LiveError and LogError; then nothing is lost: the next call reads
    the log again from where Redis stands.
    """

    def __init__(self, shared: RedisLive, journal: Journal, store: Store | None = None, *, turns: bool = False) -> None:
        self._shared = shared
        self._journal = journal
        self._store = store
        self._head: Head | None = None
        self._held_s = -_HOLD_EVERY_S
        self._token = secrets.token_hex(8) if turns else ""
        self._turn_s = -_TURN_EVERY_S

    def handle(self, entries: Sequence[Entry]) -> None:
        """A stretch of the log, as a sink is given it."""
        try:
            if self._is_my_turn():
                self._hold()
                self._bring_up(entries[-1].pos, entries)
        except BaseException:
            self._head = None
            raise

    def check(self) -> None:
        """Between stretches: is what was written still there? Builds it again where it is not."""
        self._head = None
        if self._is_my_turn():
            self._hold()
            self._bring_up(self._journal.newest, ())

    def _is_my_turn(self) -> bool:
        if not self._token:
            return True
        now_s = time.monotonic()
        if now_s - self._turn_s >= _TURN_EVERY_S:
            if not self._shared.take_turn(self._token):
                self._head = None
                return False
            self._turn_s = now_s
        return True

    def _hold(self) -> None:
        now_s = time.monotonic()
        if now_s - self._held_s >= _HOLD_EVERY_S:
            self._shared.hold()
            self._held_s = now_s

    def _bring_up(self, upto: int, entries: Sequence[Entry]) -> None:
        for _ in range(_TRIES):
            head = self._head or self._begin()
            while head.position < upto:
                stretch = _after(head.position, entries) or self._journal.read(head.position, READ_ENTRIES, READ_BYTES)
                if not stretch:
                    break
                position = stretch[-1].pos
                applied = self._shared.apply(head.build, transitions_of(stretch), after=head.position, upto=position)
                if applied.verdict in ("moved", "damaged"):
                    head = self._begin()
                else:
                    head = Head(head.build, applied.position, head.held, intact=True)
            self._head = head
            if head.position >= upto:
                return
        raise LiveLost(
            f"{self._shared.address} stands at {self._head.position if self._head else 0} and should at {upto}"
        )

    def _begin(self) -> Head:
        """Where Redis stands; built again where that is nothing from which the log could go on."""
        head = self._shared.head()
        if head is not None and head.position > self._journal.newest:
            # Another writer may have heard of more than our copy of the log yet.
            self._journal.wait(head.position - 1, _AHEAD_S)
        # Ahead of the log: the directory was restored from a backup, and what Redis knows never was.
        if head is None or not head.intact or not self._journal.oldest - 1 <= head.position <= self._journal.newest:
            self.rebuild()
            head = self._shared.head()
        if head is None:
            raise LiveLost(f"{self._shared.address} has lost what was just built")
        return head

    def rebuild(self, *, replace: bool = False, tell: Tell | None = None) -> Rebuilt:
        """Everything again from the log (and the store, for what was trimmed), beside readers that are served all the while.

        ``tell`` is given a stage (``read``, ``write``), how much is done, and of how much.
        """
        told = tell or (lambda _stage, _done, _all: None)
        live = self._shared.empty()
        oldest = self._journal.oldest
        # Half a state must not pass for a whole one: without the store, what was trimmed would be missing.
        position = fill(
            live,
            self._journal,
            self._store if oldest > 1 else None,
            strict=True,
            tell=lambda done, of: told("read", done, of),
        )
        contents = with_changes(live.contents(), position=max(position, oldest - 1))
        build = self._shared.build(contents, replace=replace, tell=lambda done, of: told("write", done, of))
        resolved = live.counts(Filter(shadow=True)).state.get("resolved", 0)
        return Rebuilt(build, contents.position, len(live) - resolved, resolved)


def _after(position: int, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The part of a stretch that comes right after a position; nothing where the stretch begins later."""
    if not entries or entries[0].first > position + 1:
        return ()
    return [entry for entry in entries if entry.pos > position]
