"""``fengsui sink NAME``: fills a table of the store from a cluster, as one of any number of processes, until a signal."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from dashboards.server.vitals import Vitals
from fengsui.cluster import cluster_of, quiet_clients
from fengsui.exits import InputFault
from fengsui.settings import Settings
from fengsui.up import bind, configure_logging, shown, wall_ms
from sinks.group import GroupSink
from sinks.store.errors import StoreError, StoreMismatch
from sinks.store.spool import Spool
from sinks.store.spooled import Spooled
from sinks.store.store import Store
from sinks.store.stretch import Stretch
from streams.cluster.address import Address
from streams.cluster.client import consumer, naming
from streams.cluster.identity import Identity, open_cluster
from streams.cluster.record import first_position
from streams.cluster.topology import DEAD, EVENTS, TRANSITIONS
from streams.log.lock import FileLock
from streams.metrics import Metrics

_log = logging.getLogger("fengsui.sink")


@dataclass(frozen=True)
class _Kind:
    """``topic``: what of the cluster it reads. ``table``: what of the store it fills."""

    topic: str
    table: str
    write: Callable[[Store, Sequence[Stretch]], int]


SINKS: Mapping[str, _Kind] = {
    "store-events": _Kind(EVENTS, "events", Store.write_log),
    "store-transitions": _Kind(TRANSITIONS, "transitions", Store.write_transitions),
    "store-dead": _Kind(DEAD, "dead_letters", Store.write_dead),
}


def run_sink(name: str, settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT: what is in hand is then in the store or in the spool, and committed.

    LogError where the cluster cannot be had, StoreError where the store will not have what comes; one that is down may come later.
    """
    configure_logging(settings.verbosity)
    quiet_clients()
    kind = SINKS[name]
    address = cluster_of(settings)
    if settings.store is None or settings.store.startswith("chdb:"):
        raise InputFault(
            "集群的历史存于服务器 · the history of a cluster is on a server: give --store https://USER@HOST:8443/DATABASE"
        )
    identity = open_cluster(address)
    with ExitStack() as stack:
        listener = stack.enter_context(bind(settings.listen))
        metrics = Metrics()
        store = stack.enter_context(Store.open(settings.store_address(settings.data), patient=True))
        _bind(store, kind, address, identity)
        directory = settings.data / "spool" / name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.callback(FileLock(directory / "lock").release)
        spool = Spool(directory, int(settings.store_spool_gb * (1 << 30)))
        metrics.watch_spool(name, spool)
        spooled = Spooled(partial(kind.write, store), spool)
        spooled.start()
        stack.callback(spooled.stop)
        member = GroupSink(
            name,
            address.topic(kind.topic),
            spooled,
            group=f"{address.name}-sink-{name}",
            connect=partial(consumer, address),
            clock=wall_ms,
            forget=store.forget_positions,
        )
        metrics.watch_group(name, lambda: member.state)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: member.stop())
        vitals = Vitals(metrics.registry, lambda: _readiness(member, spooled), listener)
        vitals.start()
        stack.callback(vitals.stop)
        print(f"http://{shown(listener)}/", flush=True)
        with naming(address, address.topic(kind.topic)):
            member.run()


def _bind(store: Store, kind: _Kind, address: Address, identity: Identity) -> None:
    """A store of another cluster must not be filled as if it were this one's."""
    ends = _ends(address, address.topic(kind.topic))
    try:
        store.bind(kind.table, identity.cluster, ends)
    except StoreMismatch:
        raise
    except StoreError as error:
        if not error.retryable:
            raise
        _log.error("the store cannot be asked now; it is filled when it can: %s", error)


def _ends(address: Address, topic: str) -> dict[int, int]:
    """Each partition's end: no position of the store may be beyond it."""
    from kafka import TopicPartition

    client = consumer(address)
    try:
        with naming(address, topic):
            partitions = [TopicPartition(topic, number) for number in sorted(client.partitions_for_topic(topic) or ())]
            ends = client.end_offsets(partitions)
    finally:
        client.close(autocommit=False)
    return {at.partition: first_position(end) for at, end in ends.items()}


def _readiness(member: GroupSink, spooled: Spooled) -> dict[str, str]:
    """Ready is who takes what comes, be it to the disk; what the store has not had is said by /metrics."""
    state, held = member.state, spooled.state
    reasons = {}
    if not state.running:
        reasons["group"] = "not a member of its group yet"
    elif state.error:
        reasons["sink"] = state.error
    if held.batches and held.used_bytes > 0.9 * held.max_bytes:
        reasons["spool"] = f"nearly full, the store is away: {held.error}"
    return reasons
