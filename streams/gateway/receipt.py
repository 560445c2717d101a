"""The answer to one body: how many events were accepted, were there already, or were refused and why."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future

import msgspec

from events.event import Reason, Rejected

#: An answer names this many refused lines; the others are counted, and lie with the rest in the dead letters.
MAX_LISTED = 100_000


class RejectedLine(msgspec.Struct, frozen=True):
    """A refused line: its number in the body (from 1; for arrays the item's), the reason, and what was found."""

    line: int
    reason: Reason
    detail: str


class Receipt(msgspec.Struct, frozen=True):
    """What became of a body's events. All that were accepted are on the disk.

    ``rejected_count`` is the number of refused lines; ``rejected`` names the first 100,000 of them.
    """

    accepted: int
    duplicate: int
    rejected: tuple[RejectedLine, ...]
    rejected_count: int


class PendingReceipt:
    """A receipt that fills as the pieces of its body come to the disk. Thread-safe."""

    def __init__(self) -> None:
        self.done: Future[Receipt] = Future()
        self._lock = threading.Lock()
        #: pieces handed on and not settled yet, and one for the reader of the body
        self._open = 1
        self._accepted = 0
        self._duplicate = 0
        self._rejected: list[RejectedLine] = []
        self._rejected_count = 0
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    def opened(self) -> None:
        """One more piece is on its way."""
        with self._lock:
            self._open += 1

    def settled(self, *, accepted: int, duplicate: int, rejected: Sequence[Rejected], first_line: int) -> None:
        """A piece is on the disk. ``first_line``: lines of the body before it."""
        with self._lock:
            self._accepted += accepted
            self._duplicate += duplicate
            self._rejected_count += len(rejected)
            room = MAX_LISTED - len(self._rejected)
            self._rejected += [RejectedLine(first_line + r.line, r.reason, r.detail) for r in rejected[:room]]
        self._close()

    def failed_by(self, error: BaseException) -> None:
        """A piece could not be taken: neither is the body as a whole, and its sender sends it again."""
        with self._lock:
            self._error = self._error or error
        self._close()

    def sealed(self) -> None:
        """The body has no more pieces."""
        self._close()

    def _close(self) -> None:
        with self._lock:
            self._open -= 1
            assert self._open >= 0
            if self._open:
                return
        if self._error is not None:
            self.done.set_exception(self._error)
            return
        rejected = tuple(sorted(self._rejected, key=lambda r: r.line))
        self.done.set_result(Receipt(self._accepted, self._duplicate, rejected, self._rejected_count))
