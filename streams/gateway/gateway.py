"""The gateway: a body of events in, a receipt out when everything accepted is on the disk, or with the brokers of a cluster.

One thread decodes, asks which events are new, and queues them for the log; it takes whatever bodies are waiting in one go, so
that many small ones cost as little as one large one. On one machine positions follow the order in which events were judged,
therefore the dedupe state is a function of the log, and is had again from it after a crash or a failed write. In a cluster the
engines decide what is a duplicate, and the gateway only remembers what it took itself.

A duplicate is only called one when the event it repeats is on the disk: appends are done in order, so a piece is settled after
all that were judged before it; and where one of those failed, its repeats are not answered but sent again by their sender.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from events.cloudevents import to_ndjson
from events.decode import Decoded, Decoder
from events.event import MAX_BODY_BYTES, Rejected
from events.feeds import FeedCatalog
from streams.gateway.door import Door
from streams.gateway.pieces import MAX_PIECE_BYTES, MAX_PIECE_LINES, Piece, pieces
from streams.gateway.receipt import PendingReceipt, Receipt
from streams.log.errors import LogClosed, LogError
from streams.metrics import Metrics

_log = logging.getLogger("fengsui.gateway")

#: Bodies that wait at the door, in bytes; more wait in their senders' hands.
_QUEUE_BYTES = 64 << 20
#: Groups of pieces on their way to the disk. While these are under way the next group gathers.
_UNDER_WAY = 4
_SNAPSHOT_EVENTS = 500_000
_SNAPSHOT_S = 600.0
#: With the event log full, snapshots, which let go of it, come this often.
_PRESSED_S = 2.0
#: Content types whose body is not lines already.
_DOCUMENTS = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")


class BodyTooLarge(ValueError):
    """A body over the contract's 64 MB: none of it was taken."""


class ActivatedRules(Protocol):
    """What of a rule set the door needs."""

    @property
    def catalog(self) -> FeedCatalog: ...
    @property
    def bundle(self) -> Mapping[str, object]: ...


@dataclass
class _Parcel:
    """A piece of a body, with the receipt it counts for."""

    piece: Piece
    receipt: PendingReceipt


@dataclass
class _Change:
    """A rule set to put in force, in its turn; ``written``: another gateway did, and it is only to be followed."""

    rules: ActivatedRules
    written: bool = False
    done: Future[int] = field(default_factory=Future)


@dataclass(frozen=True)
class FeedPulse:
    """What was accepted of a feed since the door opened. Times are epoch milliseconds."""

    accepted: int
    newest_time_ms: int
    newest_receipt_ms: int


@dataclass(frozen=True)
class _Tally:
    fate: str
    feed: str
    source: str
    events: int
    newest_time_ms: int


@dataclass
class _Group:
    """Parcels that were judged and written together."""

    parcels: Sequence[_Parcel]
    accepted: list[int]
    duplicate: list[int]
    rejected: list[list[Rejected]]
    #: failed writes that the dedupe state knew of when it judged
    failures: int
    at_ms: int
    tally: list[_Tally]


class Gateway:
    """Takes bodies of events from any number of threads.

    ``catalog``: the feeds of the rule set in force. ``door``: where they go. ``clock``: epoch milliseconds, the receipt of
    events. ``wall``: what an event must not be ahead of, where that is another clock (the demo lives in its past, and real
    events are welcome there). :meth:`close` before what the door writes to is closed.
    """

    def __init__(
        self,
        catalog: FeedCatalog,
        door: Door,
        *,
        clock: Callable[[], int],
        metrics: Metrics | None = None,
        wall: Callable[[], int] | None = None,
    ) -> None:
        self._decoder = Decoder(catalog)
        self._feeds = frozenset(catalog.feeds)
        self._door = door
        self._clock = clock
        self._wall = wall
        self._metrics = metrics or Metrics()
        self._memory = door.memory
        for text in self._memory.unusable:
            _log.warning("%s; the ids were read from the log instead", text)
        self._state = threading.Condition()
        self._queue: deque[_Parcel | _Change] = deque()
        self._queued_bytes = 0
        self._closing = False
        self._slots = threading.Semaphore(_UNDER_WAY)
        #: writes that failed so far, and the last one's error; written by the log's thread
        self._failures = 0
        self._failure: BaseException | None = None
        #: how many of them the dedupe state knows of
        self._known_failures = 0
        #: does the dedupe state hold ids that were never even queued for the log?
        self._stale = False
        self._pulse: dict[str, FeedPulse] = {}
        #: refusals of a full event log that the last snapshot knew of
        self._refusals = 0
        self._saved_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()

    # --- for the callers

    def accept(self, body: bytes, content_type: str = "application/x-ndjson") -> Receipt:
        """Judges and stores a body's events; returns when all that are accepted are on the disk.

        NDJSON; or, by content type, a JSON array or CloudEvents (structured, batch). One bad line costs only itself.
        Raises LogFull, DiskFull (send the whole body again later: what was stored of it will be a duplicate), LogBroken,
        LogClosed, BodyTooLarge.
        """
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"a body may have {MAX_BODY_BYTES} bytes, this one has {len(body)}")
        began_s = time.perf_counter()
        receipt = PendingReceipt()
        for piece in pieces(_lines(body, content_type)):
            if receipt.failed or not self._enqueue(_Parcel(piece, receipt)):
                break
        receipt.sealed()
        try:
            answer = receipt.done.result()
        except LogError as error:
            self._metrics.unavailable.labels(type(error).__name__).inc()
            raise
        self._metrics.accept_seconds.observe(time.perf_counter() - began_s)
        return answer

    def activate(self, rules: ActivatedRules) -> int:
        """Puts a rule set in force: its activation goes into the log, and what comes after it is read by its catalogue.

        Returns the activation's position, when it is on the disk. Raises as :meth:`accept`; then the old one stays.
        """
        return self._turn(_Change(rules))

    def follow(self, rules: ActivatedRules) -> None:
        """Another gateway put a rule set in force: from now on events are read by its catalogue. LogClosed."""
        self._turn(_Change(rules, written=True))

    def _turn(self, change: _Change) -> int:
        with self._state:
            self._check_open()
            self._queue.append(change)
            self._state.notify_all()
        return change.done.result()

    def pulse(self) -> dict[str, FeedPulse]:
        """What each feed sent since the door opened, by its name."""
        with self._state:
            return dict(self._pulse)

    @property
    def warning(self) -> str:
        """What people should know though events are taken; empty when all is well."""
        return self._memory.save_error

    def close(self) -> None:
        """Deals with what is waiting, writes a dedupe snapshot, and takes no more. May be called twice."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join()
        self._memory.close()

    def _check_open(self) -> None:
        if self._closing:
            raise LogClosed("the door is closed: the system is shutting down")

    def _enqueue(self, parcel: _Parcel) -> bool:
        """Waits for room at the door; False, and the receipt failed, where the door closed."""
        parcel.receipt.opened()
        with self._state:
            self._state.wait_for(lambda: self._queued_bytes < _QUEUE_BYTES or self._closing)
            if not self._closing:
                self._queue.append(parcel)
                self._queued_bytes += len(parcel.piece.data)
                self._state.notify_all()
                return True
        parcel.receipt.failed_by(LogClosed("the door is closed: the system is shutting down"))
        return False

    # --- the door's thread

    def _run(self) -> None:
        while True:
            self._slots.acquire()
            taken = self._take()
            if isinstance(taken, list) and taken:
                self._admit(taken)
                continue
            self._slots.release()
            if taken is None:
                break
            if isinstance(taken, _Change):
                self._change(taken)
            else:
                self._save()
        self._save()

    def _take(self) -> _Change | list[_Parcel] | None:
        """What waits, up to the bounds of a piece; a change of rules alone. Nothing where a snapshot is due, None at the end."""
        with self._state:
            self._state.wait_for(lambda: self._queue or self._closing, timeout=self._until_snapshot_s())
            if not self._queue:
                return None if self._closing else []
            if self._until_snapshot_s() == 0:
                return []
            first = self._queue[0]
            if isinstance(first, _Change):
                self._queue.popleft()
                return first
            parcels: list[_Parcel] = []
            nbytes = lines = 0
            while self._queue and isinstance(parcel := self._queue[0], _Parcel):
                nbytes += len(parcel.piece.data)
                lines += parcel.piece.lines
                if parcels and (nbytes > MAX_PIECE_BYTES or lines > MAX_PIECE_LINES):
                    break
                self._queue.popleft()
                self._queued_bytes -= len(parcel.piece.data)
                parcels.append(parcel)
            self._state.notify_all()
            return parcels

    def _admit(self, parcels: Sequence[_Parcel]) -> None:
        """Judges a group and queues it for the disk. Always gives its slot back, now or when it is settled."""
        try:
            self._remember_failures()
            data = b"".join(parcel.piece.data for parcel in parcels)
            self._door.check_room(len(data))
            at_ms = self._clock()
            decoded = self._decoder.decode(data, receipt_ms=at_ms if self._wall is None else self._wall())
        except Exception as error:
            self._slots.release()
            if isinstance(error, LogError) or len(parcels) == 1:
                self._give_up(parcels, error)
                return
            # Our own bug: it must cost only the body that it is about.
            for parcel in parcels:
                self._slots.acquire()
                self._admit([parcel])
            return
        failures = self._known_failures
        try:
            fresh = self._memory.fresh(decoded.frame, at_ms) if len(decoded.frame) else np.zeros(0, np.bool_)
            group = _judged(parcels, decoded, fresh, failures=failures, at_ms=at_ms)
            # With nothing to write it is a barrier: what the duplicates repeat is on the disk when it is done.
            written = self._door.write(decoded, fresh, at_ms)
        except Exception as error:
            self._stale = True
            self._slots.release()
            self._give_up(parcels, error)
            return
        written.add_done_callback(lambda done: self._written(group, done))

    def _give_up(self, parcels: Sequence[_Parcel], error: Exception) -> None:
        if not isinstance(error, LogError):
            _log.error("a body could not be taken", exc_info=error)
        for parcel in parcels:
            parcel.receipt.failed_by(error)

    def _remember_failures(self) -> None:
        """After a failed write the dedupe state holds ids that are not in the log: it is had again from there."""
        if self._failures == self._known_failures and not self._stale:
            return
        self._door.barrier().result()  # until nothing is under way
        known = self._failures
        self._memory.recall()
        self._known_failures, self._stale = known, False

    def _change(self, change: _Change) -> None:
        try:
            decoder = Decoder(change.rules.catalog)
            pos = 0 if change.written else self._door.activate(change.rules.bundle, self._clock())
        except Exception as error:
            change.done.set_exception(error)
            return
        self._decoder = decoder
        self._feeds = frozenset(change.rules.catalog.feeds)
        change.done.set_result(pos)

    def _until_snapshot_s(self) -> float:
        if self._memory.unsaved >= _SNAPSHOT_EVENTS:
            return 0.0
        pressed = self._door.refusals != self._refusals
        return max(0.0, self._saved_s + (_PRESSED_S if pressed else _SNAPSHOT_S) - time.monotonic())

    def _save(self) -> None:
        self._saved_s = time.monotonic()
        pressed, self._refusals = self._door.refusals != self._refusals, self._door.refusals
        try:
            self._remember_failures()
            # A snapshot may only hold what is on the disk.
            pos = self._door.barrier().result()
            if self._memory.unsaved and self._failures == self._known_failures:
                self._memory.save(pos)
            elif pressed:
                self._memory.let_go()
        except Exception as error:
            # Events are taken all the same: after a restart the log brings their ids back.
            _log.warning("no dedupe snapshot now: %s", error)
        if self._memory.unsaved >= _SNAPSHOT_EVENTS:
            self._memory.unsaved = 0  # not again at once

    # --- in the logs' threads

    def _written(self, group: _Group, done: Future[int]) -> None:
        self._slots.release()
        error = done.exception()
        if error is not None:
            self._failure = error
            self._failures += 1
            for parcel in group.parcels:
                parcel.receipt.failed_by(error)
            return
        # Whatever was queued before this group has been settled by now, for good or ill.
        doubtful = self._failures != group.failures
        refused = [r for rejected in group.rejected for r in rejected]
        if not refused:
            self._settle(group, doubtful=doubtful)
            return
        try:
            kept = self._door.bury(refused, group.at_ms)
        except Exception as lost:
            self._lost(len(refused), lost)
            self._settle(group, doubtful=doubtful)
        else:
            kept.add_done_callback(lambda done: self._buried(group, len(refused), done, doubtful=doubtful))

    def _buried(self, group: _Group, count: int, kept: Future[int], *, doubtful: bool) -> None:
        lost = kept.exception()
        if lost is not None:
            self._lost(count, lost)
        self._settle(group, doubtful=doubtful)

    def _lost(self, count: int, error: BaseException) -> None:
        """The accepted events stand; only the refused lines' bytes are gone."""
        self._metrics.dead_letters_lost.inc(count)
        _log.warning("%d dead letters could not be kept: %s", count, error)

    def _beat(self, tally: _Tally, at_ms: int) -> None:
        with self._state:
            old = self._pulse.get(tally.feed, FeedPulse(0, tally.newest_time_ms, at_ms))
            self._pulse[tally.feed] = FeedPulse(
                old.accepted + tally.events,
                max(old.newest_time_ms, tally.newest_time_ms),
                max(old.newest_receipt_ms, at_ms),
            )

    def _settle(self, group: _Group, *, doubtful: bool) -> None:
        try:
            self._count(group)
        except Exception:  # no figure is worth an answer
            _log.exception("events were not counted")
        before = 0
        for at, parcel in enumerate(group.parcels):
            if doubtful and group.duplicate[at]:
                # What these repeat may be among what could not be written.
                parcel.receipt.failed_by(self._failure or LogClosed("the log failed"))
            else:
                parcel.receipt.settled(
                    accepted=group.accepted[at],
                    duplicate=group.duplicate[at],
                    rejected=group.rejected[at],
                    first_line=parcel.piece.before - before,
                )
            before += parcel.piece.lines

    def _count(self, group: _Group) -> None:
        for tally in group.tally:
            self._metrics.fate(tally.fate, tally.feed, tally.source, tally.events)
            if tally.fate == "accepted":
                self._beat(tally, group.at_ms)
        reasons: Counter[tuple[str, str, str]] = Counter()
        for rejected in group.rejected:
            reasons.update((r.reason, r.feed if r.feed in self._feeds else "", r.source) for r in rejected)
        for (reason, feed, source), count in reasons.items():
            self._metrics.rejected(reason, feed, source, count)
        self._metrics.dedupe_fallen.set(self._memory.fallen)


def _lines(body: bytes, content_type: str) -> bytes:
    """The body as NDJSON."""
    kind = content_type.partition(";")[0].strip().lower()
    # An array under the wrong content type is one still: no event begins with a bracket.
    return to_ndjson(body, kind) if kind in _DOCUMENTS or body[:64].lstrip()[:1] == b"[" else body


def _judged(
    parcels: Sequence[_Parcel],
    decoded: Decoded,
    fresh: npt.NDArray[np.bool_],
    *,
    failures: int,
    at_ms: int,
) -> _Group:
    """Sorts a group's verdicts by the parcels they belong to."""
    ends = np.cumsum([parcel.piece.lines for parcel in parcels])
    owners = np.searchsorted(ends, np.asarray(decoded.lines), side="left")
    rejected: list[list[Rejected]] = [[] for _ in parcels]
    for refused in decoded.rejected:
        rejected[int(np.searchsorted(ends, refused.line, side="left"))].append(refused)
    return _Group(
        parcels,
        np.bincount(owners[fresh], minlength=len(parcels)).tolist(),
        np.bincount(owners[~fresh], minlength=len(parcels)).tolist(),
        rejected,
        failures,
        at_ms,
        [*_tallies("accepted", decoded.frame, fresh), *_tallies("duplicate", decoded.frame, ~fresh)],
    )


def _tallies(fate: str, frame: pl.DataFrame, mask: npt.NDArray[np.bool_]) -> list[_Tally]:
    """By feed and source."""
    if not mask.any():
        return []
    some = frame.select("feed", "source", "time")
    some = some if mask.all() else some.filter(pl.Series(mask))
    if len(some) == 1:  # a group-by costs more than it saves
        (feed, source, time_ms) = some.row(0)
        return [_Tally(fate, feed, source, 1, time_ms)]
    grouped = some.group_by("feed", "source").agg(pl.len(), pl.col("time").max())
    return [_Tally(fate, *row) for row in grouped.rows()]
