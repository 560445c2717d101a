"""Faust's agents: each worker has some partitions of the events, of what is passed on, and of the transitions, as the group gives
them out, and an engine for each.

Faust reads, divides and commits; engines, snapshots and outputs are ours (:mod:`streams.cluster.station`). Records are
acknowledged only when a snapshot that covers them is durable: ``noack_take``, for ``take`` acknowledges in a ``finally``, also what
failed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import faust
from faust.types import TP

from streams.cluster.address import Address
from streams.cluster.errors import ForeignRecord
from streams.cluster.identity import Identity
from streams.cluster.producer import Producer
from streams.cluster.record import PartitionEntry, Stamped, entry_of, offset_of
from streams.cluster.stages import Division, Stage
from streams.cluster.stamps import MS_BITS
from streams.cluster.station import Station
from streams.cluster.told import stamped
from streams.cluster.topology import EVENTS, SNAPSHOTS, TRANSITIONS, WIDE
from streams.cluster.upstream import Upstream
from streams.log.entry import tick_entry
from streams.metrics import Metrics

_log = logging.getLogger("fengsui.worker")

_STAGES: dict[str, Stage] = {EVENTS: "events", WIDE: "wide", TRANSITIONS: "over"}
#: Records that an agent takes at once, and how long it waits for more.
_TAKE_RECORDS = 2_000
_TAKE_S = 0.05
#: While a partition is behind, its engine waits for a step of so many events, at most so long: large steps cost less an event.
_STEP_EVENTS = 20_000
_STEP_S = 0.5
_TICK_S = 1.0
_LOOK_S = 5.0
#: A partition with records to read, of which none comes for so long, has silently stopped.
_STALLED_S = 60.0


@dataclass
class _Held:
    """A partition that this worker has. ``taken``: its records that no snapshot covers yet, with the offset of each."""

    station: Station
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    opened: bool = False
    taken: deque[tuple[int, Any]] = field(default_factory=deque)
    #: read, and waiting for a step; how many events these are, and since when (monotonic seconds)
    waiting: list[Any] = field(default_factory=list)
    waiting_events: int = 0
    waiting_s: float = 0.0
    #: monotonic seconds when something came last
    heard_s: float = field(default_factory=time.monotonic)
    #: the record that comes next
    next: int = 0
    #: the engine's clock, and when it last moved
    clock_ms: int | None = None
    moved_s: float = field(default_factory=time.monotonic)


class Worker:
    """One worker of a cluster. ``clock``: epoch milliseconds, for ticks. :meth:`run` in an event loop of its own."""

    def __init__(
        self,
        address: Address,
        identity: Identity,
        *,
        clock: Callable[[], int],
        version: str,
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._address = address
        self._division = Division(identity.partitions, identity.wide, identity.partition_by)
        self._clock = clock
        self._version = version
        topics = {
            EVENTS: identity.partitions,
            WIDE: identity.wide,
            TRANSITIONS: 1,
            SNAPSHOTS: identity.topology.engines,
        }
        self._producer = Producer(address, {address.topic(name): count for name, count in topics.items()})
        self._held: dict[TP, _Held] = {}
        #: engines step in these threads, so that Faust's loop never stands still
        self._threads = ThreadPoolExecutor(2, "engine")
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self.app = self._application()

    # --- Faust

    def _application(self) -> faust.App:
        app = faust.App(
            id=f"{self._address.name}-worker",
            broker=[f"kafka://{server}" for server in self._address.servers],
            broker_credentials=_credentials(self._address),
            store="memory://",
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            consumer_auto_offset_reset="earliest",
            broker_max_poll_records=_TAKE_RECORDS,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=3.0,
            broker_rebalance_timeout=60.0,
            consumer_max_fetch_size=16 << 20,
            stream_wait_empty=False,
            stream_buffer_maxsize=_TAKE_RECORDS,
            stream_processing_timeout=1e9,
            broker_commit_livelock_soft_timeout=1e9,
        )
        for name, stage in _STAGES.items():
            topic = app.topic(
                self._address.topic(name),
                value_type=bytes,
                value_serializer="raw",
                key_serializer="raw",
                allow_empty=True,
            )
            app.agent(topic, name=f"fengsui-{stage}", concurrency=1)(self._agent)
        app.on_partitions_revoked.connect(self._revoked, weak=False)  # type: ignore[arg-type]  # a bound method
        app.on_partitions_assigned.connect(self._assigned, weak=False)  # type: ignore[arg-type]
        return app

    async def _agent(self, stream: Any) -> None:
        async for events in stream.noack_take(_TAKE_RECORDS, within=_TAKE_S):
            by_partition: dict[TP, list[Any]] = {}
            for event in events:
                by_partition.setdefault(event.message.tp, []).append(event)
            try:
                await asyncio.gather(*(self._take(tp, some) for tp, some in by_partition.items()))
            except BaseException as error:
                self._fail(error)
                raise

    async def _assigned(self, _app: Any, *given: Any, **_: Any) -> None:
        self.metrics.rebalances.inc()
        for tp in given[0]:
            if tp not in self._held:
                self._held[tp] = _Held(self._station(tp))
        _log.info("has %s", ", ".join(sorted(held.station.name for held in self._held.values())) or "nothing")

    async def _revoked(self, _app: Any, *given: Any, **_: Any) -> None:
        """What it knows of a partition goes; in an orderly end a snapshot spares the next one the way."""
        for tp in given[0]:
            held = self._held.pop(tp, None)
            if held is None or not held.opened:
                continue
            async with held.lock:
                try:
                    await self._in_thread(held.station.save)
                    self._acknowledge(held)
                except Exception as error:
                    _log.warning("%s goes without a snapshot: %s", held.station.name, error)

    def _station(self, tp: TP) -> Station:
        stage = _STAGES[tp.topic.removeprefix(f"{self._address.name}.")]
        return Station(
            stage,
            tp.partition,
            self._division,
            self._address,
            self._producer,
            version=self._version,
            metrics=self.metrics,
        )

    # --- a partition

    async def _take(self, tp: TP, events: Sequence[Any]) -> None:
        held = self._held.get(tp)
        if held is None:
            return  # it was taken away: whoever has it reads them again
        held.heard_s = time.monotonic()
        if not held.waiting:
            held.waiting_s = held.heard_s
        held.waiting += events
        held.waiting_events += sum(map(_count_of, events))
        behind = (self.app.consumer.highwater(tp) or 0) > events[-1].message.offset + 1
        if behind and held.waiting_events < _STEP_EVENTS and held.heard_s - held.waiting_s < _STEP_S:
            return
        await self._step(tp, held)

    async def _step(self, tp: TP, held: _Held) -> None:
        """The engine takes what waits. Steps of one partition come one after another, in the order in which they were asked for."""
        events, held.waiting, held.waiting_events = held.waiting, [], 0
        if not events:
            return
        async with held.lock:
            if not held.opened:
                await self._in_thread(held.station.open, events[0].message.offset)
                held.opened = True
                self.metrics.restore_seconds.observe(held.station.restore_s)
            entries = self._entries(tp, events)
            await self._in_thread(held.station.take, entries)
            held.next = events[-1].message.offset + 1
            held.taken.extend((event.message.offset, event) for event in events)
            if held.station.due:
                await self._in_thread(held.station.save)
            self._acknowledge(held)

    def _entries(self, tp: TP, events: Sequence[Any]) -> list[PartitionEntry]:
        entries = []
        for event in events:
            message = event.message
            headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
            try:
                entries.append(entry_of(message.offset, list(headers), message.value))
            except ForeignRecord as error:
                self.metrics.foreign.labels(tp.topic).inc()
                _log.error("%s-%d: %s: another program writes to this topic", tp.topic, tp.partition, error)
        return entries

    def _acknowledge(self, held: _Held) -> None:
        """What the newest snapshot covers."""
        covered = offset_of(held.station.snapshot_pos) if held.station.snapshot_pos >= 0 else -1
        while held.taken and held.taken[0][0] <= covered:
            held.taken.popleft()[1].ack()

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    # --- time, and looking after it all

    async def _tick(self) -> None:
        """Where no event moved an engine's clock for a while, the wall clock does."""
        while not self._stop.is_set():
            await self._sleep(_TICK_S / 4)
            sent: list[Future[int]] = []
            for tp, held in list(self._held.items()):
                if held.waiting and time.monotonic() - held.waiting_s > _STEP_S:
                    await self._step(tp, held)
                machine = held.station.machine
                if not isinstance(machine, Upstream):
                    continue
                now_s, clock_ms = time.monotonic(), machine.engine.clock_ms
                if clock_ms != held.clock_ms:
                    held.clock_ms, held.moved_s = clock_ms, now_s
                if now_s - held.moved_s >= _TICK_S:
                    held.moved_s = now_s
                    sent.append(self._producer.submit(tp.topic, tp.partition, self._now()))
            for one in sent:
                await asyncio.wrap_future(one)
                self.metrics.ticks.inc()

    def _now(self) -> Stamped:
        at_ms = self._clock()
        return stamped("tick", tick_entry(at_ms).payload, at_ms << MS_BITS, at_ms, "")

    async def _look(self) -> None:
        """Snapshots that are due while nothing comes, and partitions that have silently stopped."""
        while not self._stop.is_set():
            await self._sleep(_LOOK_S)
            for tp, held in list(self._held.items()):
                end = self.app.consumer.highwater(tp) or 0
                self.metrics.lag.labels(held.station.name).set(max(0, end - held.next))
                if not held.opened:
                    continue
                if end > held.next and time.monotonic() - held.heard_s > _STALLED_S:
                    raise Stalled(
                        f"{held.station.name} stands at record {held.next} of {end}, and nothing comes any more"
                    )
                async with held.lock:
                    if self._held.get(tp) is held and held.station.due:
                        await self._in_thread(held.station.save)
                        self._acknowledge(held)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    # --- life

    async def run(self) -> None:
        """Until :meth:`stop`, or until something fails: then it raises what did, and a fresh start goes on from the snapshots."""
        await self.app.start()
        watchers = [asyncio.create_task(self._guarded(watch)) for watch in (self._tick, self._look)]
        await self._stop.wait()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        if self._failure is None:
            for held in list(self._held.values()):
                if held.opened:
                    async with held.lock:
                        await self._in_thread(held.station.save)
                        self._acknowledge(held)
            await self.app.consumer.commit()
        self._held.clear()
        await self.app.stop()
        self._threads.shutdown(wait=True)
        await asyncio.get_running_loop().run_in_executor(None, self._producer.close)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Asks it to end after the step in hand."""
        self._stop.set()

    async def _guarded(self, watch: Callable[[], Any]) -> None:
        try:
            await watch()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None and not isinstance(error, asyncio.CancelledError):
            _log.critical("the worker stops: %s", error, exc_info=error)
            self._failure = error
            self._stop.set()

    def readiness(self) -> dict[str, str]:
        """Why it is not ready, by engine; empty where it is."""
        reasons = {held.station.name: "restoring" for held in list(self._held.values()) if not held.opened}
        if self._failure is not None:
            reasons["worker"] = str(self._failure)
        return reasons


class Stalled(Exception):
    """A consumer that reads no more though there is something to read: Faust's have been seen to. A fresh start mends it."""


def _count_of(event: Any) -> int:
    """Events of a record, as its headers say; one where they say nothing."""
    headers = event.message.headers
    found = headers.get("count") if isinstance(headers, dict) else dict(headers or ()).get("count")
    return int(found) if found is not None and found.isdigit() else 1


def _credentials(address: Address) -> Any:
    if address.signs_in:
        return faust.SASLCredentials(
            username=address.user,
            password=address.password(),
            mechanism=address.mechanism,
            ssl_context=address.tls_context() if address.tls else None,
        )
    return faust.SSLCredentials(context=address.tls_context()) if address.tls else None
