"""A gateway's door in a cluster: each event goes to the partition of its key, with the stamp of the order in which it was judged."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import msgspec
import numpy as np

from events.decode import Decoded
from events.event import Rejected
from events.record import Act
from streams.cluster.address import Address
from streams.cluster.identity import Identity
from streams.cluster.meta import RULES_KEY, RulesInForce
from streams.cluster.partitioning import homes_of
from streams.cluster.producer import Producer
from streams.cluster.recent import RecentIds
from streams.cluster.record import Stamped
from streams.cluster.stamps import Stamper
from streams.cluster.topology import DEAD, EVENTS, META, TRANSITIONS, WIDE
from streams.gateway.door import Bools
from streams.log.entry import NewEntry, act_entry, dead_entry, events_entry, rules_entry, tick_entry
from streams.log.errors import LogError

#: Of an alert's transitions: the engine that made them.
_ORIGIN = re.compile(r"(events|wide)-(0|[1-9][0-9]{0,3})|over")


class _Piece:
    """A write that is under way: done when all its partitions have acknowledged, and all pieces before it are done."""

    def __init__(self, stamp: int, open_: int) -> None:
        self.stamp = stamp
        self.open = open_
        self.error: BaseException | None = None
        self.done: Future[int] = Future()


class KafkaDoor:
    """Thread-safe. ``producer`` must have been opened for :meth:`topics`; whoever opened it closes it, after the gateway.

    The result of a write is the last stamp that was given up to then.
    """

    def __init__(self, address: Address, identity: Identity, producer: Producer) -> None:
        self.memory = RecentIds()
        self._address = address
        self._identity = identity
        self._producer = producer
        self._stamper = Stamper()
        #: stamps rise with the order in which records are queued, in every partition
        self._order = threading.Lock()
        self._state = threading.Lock()
        #: pieces are settled by one thread at a time, or their order would be lost
        self._settling = threading.RLock()
        self._pieces: deque[_Piece] = deque()

    @staticmethod
    def topics(address: Address, identity: Identity) -> dict[str, int]:
        """What a door writes to, with the partitions that must be there."""
        return {
            address.topic(EVENTS): identity.partitions,
            address.topic(WIDE): identity.wide,
            address.topic(TRANSITIONS): 1,
            address.topic(DEAD): 1,
            address.topic(META): 1,
        }

    @property
    def refusals(self) -> int:
        return self._producer.refusals

    def check_room(self, nbytes: int) -> None:
        self._producer.check_room(nbytes)

    def write(self, decoded: Decoded, fresh: Bools, at_ms: int) -> Future[int]:
        rows = np.flatnonzero(fresh)
        if not len(rows):
            return self.barrier()
        partition_of = np.full(len(fresh), -1, np.int64)
        partition_of[rows] = homes_of(
            decoded.frame if len(rows) == len(fresh) else decoded.frame[rows],
            self._identity.partition_by,
            self._identity.partitions,
        )
        # Compressed before the stamps are given: nobody waits for it.
        packed: list[tuple[int, Bools, NewEntry]] = []
        for partition in np.unique(partition_of[rows]).tolist():
            own = partition_of == partition
            lines = decoded.raw_lines(own)
            packed.append((partition, own[rows], events_entry(lines, count=int(own.sum()), at_ms=at_ms)))
        topic = self._address.topic(EVENTS)
        with self._order:
            stamps = self._stamper.take(at_ms, len(rows))
            piece = self._begin(int(stamps[-1]), len(packed))
            for partition, own, entry in packed:
                stamped = Stamped(entry.kind, entry.count, entry.at_ms, entry.payload, stamps[own])
                self._send(piece, topic, partition, stamped)
        return piece.done

    def barrier(self) -> Future[int]:
        with self._order:
            piece = self._begin(self._stamper.last, 0)
        self._finish()
        return piece.done

    def bury(self, rejected: Sequence[Rejected], at_ms: int) -> Future[int]:
        entry = dead_entry(rejected, at_ms=at_ms)
        assert entry is not None
        stamps = self._stamper.take(at_ms, entry.count)
        stamped = Stamped(entry.kind, entry.count, entry.at_ms, entry.payload, stamps)
        return self._producer.submit(self._address.topic(DEAD), 0, stamped)

    def activate(self, bundle: Mapping[str, object], at_ms: int) -> int:
        """Into every partition of the events, under one stamp, which is its position; engines pass it on to what is behind them.

        Then into NAME.meta, where whoever starts finds it. Where this fails on the way, some engines may judge by the new rules
        and others by the old ones, until the activation is tried again.
        """
        entry = rules_entry(bundle, at_ms=at_ms)
        stamp = self._everywhere(entry).result()
        meta = msgspec.msgpack.encode(RulesInForce(stamp, at_ms, entry.payload))
        self._producer.send(self._address.topic(META), 0, meta, key=RULES_KEY).result()
        return stamp

    def tick(self, at_ms: int) -> Future[int]:
        """The wall clock, into every partition of the events."""
        return self._everywhere(tick_entry(at_ms))

    def send_act(self, origin: str, act: Act) -> Future[int]:
        """A person's act, to where the engine that made its alert reads: ``events-3``, ``wide-0`` or ``over``."""
        kind, partition = self.home(origin)
        entry = act_entry(act)
        with self._order:
            stamps = self._stamper.take(entry.at_ms, 1)
            stamped = Stamped(entry.kind, entry.count, entry.at_ms, entry.payload, stamps)
            return self._producer.submit(self._address.topic(kind), partition, stamped)

    def home(self, origin: str) -> tuple[str, int]:
        """The topic and the partition that an engine reads. ValueError for what is no engine of this cluster."""
        found = _ORIGIN.fullmatch(origin)
        if found is None:
            raise ValueError(f"{origin!r} is no engine's name: events-N, wide-N or over")
        if origin == "over":
            return TRANSITIONS, 0
        partition = int(found[2])
        if partition >= (self._identity.partitions if found[1] == EVENTS else self._identity.wide):
            raise ValueError(f"cluster {self._address.name} has no engine {origin}")
        return found[1], partition

    def _everywhere(self, entry: NewEntry) -> Future[int]:
        topic, partitions = self._address.topic(EVENTS), self._identity.partitions
        with self._order:
            stamps = self._stamper.take(entry.at_ms, 1)
            piece = self._begin(int(stamps[-1]), partitions)
            for partition in range(partitions):
                stamped = Stamped(entry.kind, entry.count, entry.at_ms, entry.payload, stamps)
                self._send(piece, topic, partition, stamped)
        return piece.done

    # --- pieces under way

    def _begin(self, stamp: int, records: int) -> _Piece:
        piece = _Piece(stamp, records)
        with self._state:
            self._pieces.append(piece)
        return piece

    def _send(self, piece: _Piece, topic: str, partition: int, entry: Stamped) -> None:
        try:
            sent = self._producer.submit(topic, partition, entry)
        except LogError as error:
            self._landed(piece, error)
        else:
            sent.add_done_callback(lambda done: self._landed(piece, done.exception()))

    def _landed(self, piece: _Piece, error: BaseException | None) -> None:
        with self._state:
            piece.open -= 1
            piece.error = piece.error or error
        self._finish()

    def _finish(self) -> None:
        """Settles what is complete, in order."""
        with self._settling:
            while True:
                with self._state:
                    if not self._pieces or self._pieces[0].open:
                        return
                    piece = self._pieces.popleft()
                if piece.error is not None:
                    piece.done.set_exception(piece.error)
                else:
                    piece.done.set_result(piece.stamp)
