"""``fengsui board``: a board of a cluster, until a signal. There may be any number of them; none keeps anything that another needs."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from socket import socket
from typing import Any

import dashboards
from dashboards.server.app import create_app
from dashboards.server.auth import Auth
from dashboards.server.services import Services
from dashboards.server.services import Settings as ServerSettings
from dashboards.server.shared import Shared
from fengsui.cluster import cluster_of, quiet_clients
from fengsui.cluster_rules import ClusterRules
from fengsui.exits import InputFault
from fengsui.housekeeping import Housekeeping
from fengsui.settings import Settings
from fengsui.up import address_of, bind, configure_logging, run_server, wall_ms
from fengsui.version import __version__
from sinks.consumer import SinkThread
from sinks.live.memory import Live
from sinks.live.shared import SharedLive
from sinks.store.errors import StoreError
from sinks.store.store import Store
from streams.cluster.engines import Engines
from streams.cluster.identity import Identity, open_cluster
from streams.cluster.kafka_door import KafkaDoor
from streams.cluster.producer import Producer
from streams.cluster.stages import Division
from streams.cluster.transition_log import TransitionLog
from streams.log.entry import Entry, transition
from streams.log.errors import LogError
from streams.metrics import Metrics

_log = logging.getLogger("fengsui.board")

_LIVE_WAIT_S = 120.0


class _ElsewhereError(LogError):
    """Events are taken by gateways."""


class _NoDoor:
    """A board is no door."""

    def accept(self, _body: bytes, _content_type: str = "") -> Any:
        raise _ElsewhereError("this is a board: send events to a gateway of the cluster")


class _NoLog:
    """The events are the engines' to read: how far these are behind, they say themselves."""

    newest = oldest = 0
    used_bytes, max_bytes = 0, 1
    broken = None

    def read(self, _after: int, _max_events: int = 0, _max_bytes: int = 0) -> list[Any]:
        return []

    def wait(self, _after: int, _timeout_s: float) -> bool:
        return False


def run_board(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. LogError or StoreError where the cluster or its store cannot be had."""
    configure_logging(settings.verbosity)
    quiet_clients()
    if settings.store is None or settings.store.startswith("chdb:"):
        raise InputFault(
            "集群的看板需要 ClickHouse 服务 · a cluster's board needs a ClickHouse server: give --store http://HOST:8123"
        )
    listener = bind(settings.listen)
    with listener, ExitStack() as stack:
        serve_board(settings, listener, stack)


def serve_board(settings: Settings, listener: socket, stack: ExitStack) -> None:
    address = cluster_of(settings)
    identity = open_cluster(address)
    metrics = Metrics()
    rules = ClusterRules(address)
    stack.callback(rules.stop)
    # A board whose store is away shows what stands now; its history comes when the store does.
    store = Store.open(settings.store_address(settings.data), rules.ruleset.catalog, patient=True)
    stack.callback(store.close)
    housekeeping = Housekeeping(store, wall_ms)
    housekeeping.start()
    stack.callback(housekeeping.stop)
    rules.listen(lambda ruleset: setattr(store, "catalog", ruleset.catalog))
    log = TransitionLog(address, identity.cluster).start()
    stack.callback(log.close)
    metrics.watch("transitions", log)
    producer = Producer(address, KafkaDoor.topics(address, identity))
    stack.callback(producer.close)
    redis = settings.live_address
    shared = SharedLive.open(stack, redis, log, store, clock=wall_ms, turns=True) if redis else None
    live, sink = (shared.live, shared.sink) if shared else _live(log, store)
    engines = Engines(
        _division(identity),
        log,
        KafkaDoor(address, identity, producer),
        clock=wall_ms,
        rules=lambda: rules.ruleset,
        alert=live.get,
    )
    rules.start()
    sink.start()
    stack.callback(sink.stop)
    if shared is None:
        sink.wait_for(log.newest, _LIVE_WAIT_S)
    board = Path(dashboards.__file__ or "").parent / "board" / "dist"
    auth = Auth(
        settings.data,
        wall_ms,
        behind_proxy=settings.behind_proxy,
        shared=Shared(redis, log.identity) if redis else None,
    )
    services = Services(
        auth=auth,
        clock=wall_ms,
        registry=metrics.registry,
        gateway=_NoDoor(),
        event_log=_NoLog(),
        transition_log=log,
        live=live,
        store=store,
        runner=engines,
        sinks=lambda: [sink.state],
        pulse=engines.pulse,
        live_source=lambda: shared.live.state if shared else None,
        live_rebuild=shared.rebuilding if shared else None,
        board=board if board.is_dir() else None,
        settings=ServerSettings(behind_proxy=settings.behind_proxy, zone=settings.zone, version=__version__),
    )
    app = create_app(services)

    def tell() -> None:
        print(f"{address_of(listener, settings)}/", flush=True)
        print(f"{address_of(listener, settings)}{auth.signin_path()}", flush=True)

    run_server(app, settings, listener, leave=app.state.hub.close, started=tell)


def _division(identity: Identity) -> Division:
    return Division(identity.partitions, identity.wide, identity.partition_by)


def _live(log: TransitionLog, store: Store) -> tuple[Live, SinkThread]:
    """In memory: what was trimmed from the log is had from the store."""
    live = Live()
    try:
        for resolved in (True, False):
            live.apply(store.newest_alerts(resolved=resolved, limit=100_000))
    except StoreError as error:
        _log.error("alerts from before the transition log's beginning are not on the board: %s", error)

    def apply(entries: list[Entry]) -> None:
        live.apply(map(transition, entries))

    return live, SinkThread("live", log, apply, clock=wall_ms, start_at=log.oldest - 1)
