"""The whole system on one machine: logs, door, engine, sinks and live state, started and stopped in the right order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fengsui.housekeeping import Housekeeping
from fengsui.layout import DataDirectory
from fengsui.rule_watch import RuleWatch
from fengsui.rulebook import Rulebook
from fengsui.settings import Settings
from rules.load import packs_directory
from sinks.consumer import SinkState, SinkThread
from sinks.live.fill import transitions_of
from sinks.live.memory import Live
from sinks.live.mirror import Mirror, MirrorState
from sinks.live.protocol import MAX_RESOLVED, MAX_UNRESOLVED
from sinks.live.rebuild import Rebuilding
from sinks.live.shared import SharedLive
from sinks.store.errors import StoreError, StoreMismatch
from sinks.store.spool import Spool
from sinks.store.spooled import Spooled, Write, in_one_partition, over_log
from sinks.store.store import Store
from streams.embedded import EngineRunner
from streams.gateway.gateway import Gateway
from streams.gateway.sqlite_door import SqliteDoor
from streams.log.entry import Entry
from streams.log.sqlite import SqliteLog
from streams.metrics import Metrics

if TYPE_CHECKING:
    from dashboards.server.auth import Auth
    from dashboards.server.services import Services
    from dashboards.server.shared import Shared

_log = logging.getLogger("fengsui")

_DAY_MS = 86_400_000
#: How long a start waits for the board's state to be had again from the log; then it serves and goes on.
_LIVE_WAIT_S = 120.0
#: A store likes few large batches; a board reads the live state, so nobody waits for these.
_STORE_LINGER_S = 1.0


class System:
    """Everything but the web server. Open with :meth:`open`; :meth:`close` may be called twice.

    ``clock``: epoch milliseconds, the only clock that any part sees.
    """

    def __init__(
        self,
        settings: Settings,
        directory: DataDirectory,
        clock: Callable[[], int],
        wall: Callable[[], int] | None = None,
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.clock = clock
        self._wall = wall
        self.metrics = Metrics()
        #: what the board answers from; a mirror where it is shared with other processes
        self.live: Live | Mirror = Live()
        #: of the live state in Redis; None where it is kept in memory
        self.live_rebuild: Rebuilding | None = None
        self.sinks: list[SinkThread] = []
        #: what a store on a server has not had, by sink
        self.spools: dict[str, Spooled] = {}
        self.rulebook = Rulebook(self.rules_directory, zone=settings.zone, clock=clock, metrics=self.metrics)
        self._stack = ExitStack()
        self.event_log: SqliteLog
        self.transition_log: SqliteLog
        self.dead_log: SqliteLog
        self.store: Store
        self.runner: EngineRunner
        self.gateway: Gateway

    @classmethod
    def open(
        cls,
        settings: Settings,
        clock: Callable[[], int],
        *,
        tick_ms: int = 1_000,
        wall: Callable[[], int] | None = None,
    ) -> Self:
        """Opens the directory and starts every part. ``wall``: the real time, where ``clock`` is behind it.

        Raises RuleErrors where the rules are at fault and no earlier ones are in the log; LogError and StoreError where the
        directory or the store cannot be had.
        """
        system = cls(settings, DataDirectory(settings.data), clock, wall)
        try:
            system._start(tick_ms)
        except BaseException:
            system.close()
            raise
        return system

    def _start(self, tick_ms: int) -> None:
        directory = self.directory
        lock = directory.open()
        self._stack.callback(lock.release)
        watch = RuleWatch(self.rules_directory, self.rulebook.renew) if self.settings.watch else None
        first = self.rulebook.read()
        self.event_log = self._log("events", directory.event_log)
        self.transition_log = self._log("transitions", directory.transition_log)
        self.dead_log = self._log("dead", directory.dead_log)
        if first.fault is not None and self.event_log.newest_rules() is None:
            raise first.fault
        self.runner = EngineRunner(
            self.event_log,
            self.transition_log,
            directory=directory.snapshots,
            clock=self.clock,
            metrics=self.metrics,
            tick_ms=tick_ms,
        )
        self.runner.start()
        self._stack.callback(self.runner.stop)
        in_force = self.runner.newest_rules()
        self.gateway = Gateway(
            in_force.catalog,
            SqliteDoor(self.event_log, self.dead_log, directory.snapshots),
            clock=self.clock,
            metrics=self.metrics,
            wall=self._wall,
        )
        self._stack.callback(self.gateway.close)
        settled = self.rulebook.begin(first, in_force, gateway=self.gateway, runner=self.runner, log=self.event_log)
        address = self.settings.store_address(directory.store)
        # A server may be away while this machine starts: events are taken and judged all the same.
        self.store = Store.open(address, self.rulebook.in_force.ruleset.catalog, patient=True)
        self._stack.callback(self.store.close)
        self.rulebook.keep(self.store)
        self._bind_store()
        self._start_sinks()
        housekeeping = Housekeeping(self.store, self.clock)
        housekeeping.start()
        self._stack.callback(housekeeping.stop)
        if watch is not None:
            watch.start(again=not settled)
            self._stack.callback(watch.stop)

    def _bind_store(self) -> None:
        """A store of another directory or time must not be filled as if it were this one's."""
        try:
            for name, log in (
                ("events", self.event_log),
                ("transitions", self.transition_log),
                ("dead_letters", self.dead_log),
            ):
                self.store.bind(name, log.identity, log.newest)
        except StoreMismatch:
            raise
        except StoreError as error:
            if not error.retryable:
                raise
            _log.error("the store cannot be asked now; it is filled when it can: %s", error)

    def _log(self, name: str, path: Path) -> SqliteLog:
        log = SqliteLog(
            path,
            max_bytes=int(self.settings.log_max_gb * (1 << 30)),
            max_age_ms=int(self.settings.log_max_days * _DAY_MS),
        )
        self._stack.callback(log.close)
        self.metrics.watch(name, log)
        return log

    def _start_sinks(self) -> None:
        store = self.store
        live = self._share_live() if self.settings.live_address else self._keep_live()
        self._sink("store-events", self.event_log, store.write_log)
        self._sink("store-transitions", self.transition_log, store.write_transitions)
        self._sink("store-dead", self.dead_log, store.write_dead)
        self.sinks.append(live)
        for sink in self.sinks:
            sink.start()
            self._stack.callback(sink.stop)
        if self.live_rebuild is None:
            live.wait_for(self.transition_log.newest, _LIVE_WAIT_S)

    def _keep_live(self) -> SinkThread:
        """In memory, so it is read from the beginning at each start, and no offset is kept."""
        live = Live()
        self.live = live
        self._fill_live(live)
        return SinkThread(
            "live",
            self.transition_log,
            lambda entries: _ignore(len(live.apply(transitions_of(entries)))),
            clock=self.clock,
            start_at=self.transition_log.oldest - 1,
        )

    def _share_live(self) -> SinkThread:
        """In Redis, where it says itself how far it has come; this process answers from a copy that needs nobody."""
        address = self.settings.live_address
        assert address is not None
        shared = SharedLive.open(
            self._stack,
            address,
            self.transition_log,
            self.store,
            clock=self.clock,
            lineage=self.directory.lineage(self.transition_log.identity),
        )
        self.live, self.live_rebuild = shared.live, shared.rebuilding
        return shared.sink

    def _sink(self, name: str, log: SqliteLog, write: Write) -> None:
        handle: Callable[[Sequence[Entry]], None]
        if self.store.embedded:
            # On the same disk as the log, which holds what the store has not: a spool would gain nothing.
            handle = in_one_partition(write)
        else:
            spool = Spool(self.directory.spool / name, int(self.settings.store_spool_gb * (1 << 30)))
            spooled = Spooled(write, spool)
            self.spools[name] = spooled
            self.metrics.watch_spool(name, spool)
            spooled.start()
            self._stack.callback(spooled.stop)
            handle = over_log(spooled, log)
        self.sinks.append(SinkThread(name, log, handle, clock=self.clock, linger_s=_STORE_LINGER_S))

    def _fill_live(self, live: Live) -> None:
        """What was trimmed from the transition log is had from the store: an alert that is still open must not vanish."""
        if self.transition_log.oldest <= 1:
            return
        try:
            for resolved, limit in ((True, MAX_RESOLVED), (False, MAX_UNRESOLVED)):
                live.apply(self.store.newest_alerts(resolved=resolved, limit=limit))
        except StoreError as error:
            _log.error("alerts from before the transition log's beginning are not on the board: %s", error)

    # --- rules

    @property
    def rules_directory(self) -> Path:
        return self.settings.rules or packs_directory()

    # --- for the server

    def sink_states(self) -> list[SinkState]:
        states = [sink.state for sink in self.sinks]
        return [self.spools[state.name].told(state) if state.name in self.spools else state for state in states]

    def live_source(self) -> MirrorState | None:
        """What the copy of a shared live state follows; None where it is not shared."""
        return self.live.state if isinstance(self.live, Mirror) else None

    def shared(self) -> Shared | None:
        """What this board shares with others beside the alerts; None where it is alone."""
        from dashboards.server.shared import Shared

        address = self.settings.live_address
        return Shared(address, self.transition_log.identity) if address else None

    def services(self, auth: Auth, *, version: str, time_scale: float = 1.0) -> Services:
        """What the web server is given. ``time_scale``: how much faster than the wall clock the system's clock runs."""
        import dashboards
        from dashboards.server.services import Services
        from dashboards.server.services import Settings as ServerSettings

        board = Path(dashboards.__file__).parent / "board" / "dist"
        return Services(
            auth=auth,
            clock=self.clock,
            registry=self.metrics.registry,
            gateway=self.gateway,
            event_log=self.event_log,
            transition_log=self.transition_log,
            live=self.live,
            store=self.store,
            runner=self.runner,
            rules=self.rulebook,
            sinks=self.sink_states,
            live_source=self.live_source,
            live_rebuild=self.live_rebuild,
            pulse=self.gateway.pulse,
            board=board if board.is_dir() else None,
            settings=ServerSettings(
                behind_proxy=self.settings.behind_proxy, zone=self.settings.zone, version=version, time_scale=time_scale
            ),
        )

    # --- the end

    def close(self) -> None:
        """Stops everything in the reverse order of its start; what was accepted is on the disk. May be called twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ignore(_count: int) -> None:
    """A sink's handler answers nothing."""
