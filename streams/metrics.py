"""What the gateway, the logs and the engine count. Every label has a bounded number of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, Protocol, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

#: A careless client may invent a source for each event; beyond this many, they are counted as "other".
_MAX_SOURCES = 500
_OTHER = "other"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: What became of a reading of the rule files; "failed": good, but the log could not take them.
Reloading = Literal["activated", "unchanged", "refused", "failed"]


class WatchedLog(Protocol):
    """What of a log is measured."""

    @property
    def newest(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...
    def consumers(self) -> dict[str, int]: ...


class WatchedSpool(Protocol):
    """What of a spool is measured."""

    max_bytes: int
    damaged: int

    @property
    def used_bytes(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def oldest_ms(self) -> int: ...


class GroupMeasures(Protocol):
    """How a member of a group of sinks fares, as far as it is measured."""

    @property
    def partitions(self) -> tuple[int, ...]: ...
    @property
    def behind(self) -> int: ...
    @property
    def taken(self) -> int: ...
    @property
    def foreign(self) -> int: ...
    @property
    def missed(self) -> int: ...
    @property
    def rebalances(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def last_success_ms(self) -> int: ...


class Metrics:
    """All counters in one registry; the server adds its own to the same one."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._sources: set[str] = set()
        self._watched = _Logs()
        self.registry.register(self._watched)
        self._spools = _Spools()
        self.registry.register(self._spools)
        self._members = _Members()
        self.registry.register(self._members)
        # --- the door
        self._events = Counter(
            "fengsui_events",
            "Events by what became of them: accepted, duplicate, rejected, late, keyless.",
            ("feed", "source", "fate"),
            registry=self.registry,
        )
        self._rejected = Counter(
            "fengsui_rejected_events",
            "Refused events by reason.",
            ("feed", "source", "reason"),
            registry=self.registry,
        )
        self.dead_letters_lost = Counter(
            "fengsui_dead_letters_lost",
            "Refused lines whose bytes could not be kept.",
            registry=self.registry,
        )
        self.dedupe_fallen = Gauge(
            "fengsui_dedupe_fallen",
            "Ids that fell out of the duplicate horizon since it was begun.",
            registry=self.registry,
        )
        self.accept_seconds = Histogram(
            "fengsui_accept_seconds",
            "From a body at the door to its events on the disk.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.unavailable = Counter(
            "fengsui_door_unavailable",
            "Bodies that could not be taken, by the named error.",
            ("error",),
            registry=self.registry,
        )
        # --- the engine
        self.step_seconds = Histogram(
            "fengsui_engine_step_seconds", "Time of one engine step.", buckets=_SECONDS, registry=self.registry
        )
        self.stepped = Counter(
            "fengsui_engine_positions", "Log positions that the engine went through.", registry=self.registry
        )
        self.undecodable = Counter(
            "fengsui_engine_undecodable_events",
            "Events in the log that the rule set in force cannot read.",
            ("reason",),
            registry=self.registry,
        )
        self.engine_pos = Gauge(
            "fengsui_engine_position", "Where the engine stands in the log.", registry=self.registry
        )
        self.engine_up = Gauge(
            "fengsui_engine_up", "1 while the engine runs, 0 when it stopped on an error.", registry=self.registry
        )
        self.engine_clock = Gauge(
            "fengsui_engine_clock_seconds", "The engine's clock, Unix seconds.", registry=self.registry
        )
        self._watermark = Gauge(
            "fengsui_watermark_seconds", "Each feed's watermark, Unix seconds.", ("feed",), registry=self.registry
        )
        self._transitions = Counter(
            "fengsui_transitions", "Alert transitions.", ("domain", "severity", "type"), registry=self.registry
        )
        self.ticks = Counter("fengsui_ticks", "Ticks written while feeds were silent.", registry=self.registry)
        self.snapshot_seconds = Histogram(
            "fengsui_snapshot_seconds",
            "Time to take and write one engine snapshot.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        # --- a worker of a cluster
        self.rebalances = Counter(
            "fengsui_worker_rebalances", "How often partitions were given out anew.", registry=self.registry
        )
        self.restore_seconds = Histogram(
            "fengsui_worker_restore_seconds",
            "From a partition's first record to its engine being where it was.",
            buckets=(*_SECONDS, 30.0, 60.0, 120.0),
            registry=self.registry,
        )
        self.lag = Gauge(
            "fengsui_worker_lag_records",
            "Records of a partition that its engine has still to take.",
            ("engine",),
            registry=self.registry,
        )
        self._newest = Gauge(
            "fengsui_worker_newest_event_seconds",
            "Time of the newest event of a feed that an engine has come to, Unix seconds: its age is now less this.",
            ("engine", "feed"),
            registry=self.registry,
        )
        self.foreign = Counter(
            "fengsui_worker_foreign_records",
            "Records in our topics that another program wrote.",
            ("topic",),
            registry=self.registry,
        )
        # --- the rules
        self.activation_seconds = Histogram(
            "fengsui_rules_activation_seconds",
            "How long the engine stood still to take a new rule set.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._reloads = Counter(
            "fengsui_rules_reloads",
            "Readings of the rule files by what became of them: activated, unchanged, refused, failed.",
            ("outcome",),
            registry=self.registry,
        )
        for outcome in get_args(Reloading):
            self._reloads.labels(outcome)
        self._rules = Gauge("fengsui_rules", "Rules of the set in force.", ("mode",), registry=self.registry)
        self._rules_refused = Gauge(
            "fengsui_rules_refused",
            "1 while the rule files as last read are refused and older rules are in force, else 0.",
            registry=self.registry,
        )
        self._rules_since = Gauge(
            "fengsui_rules_activated_seconds",
            "When the rule set in force was activated, Unix seconds.",
            registry=self.registry,
        )

    def reloaded(self, outcome: Reloading) -> None:
        self._reloads.labels(outcome).inc()

    def rules_in_force(self, modes: Mapping[str, int], *, since_ms: int | None, refused: bool) -> None:
        """``modes``: rules by on, shadow, off."""
        for mode, count in modes.items():
            self._rules.labels(mode).set(count)
        if since_ms is not None:
            self._rules_since.set(since_ms / 1000)
        self._rules_refused.set(refused)

    def fate(self, fate: str, feed: str, source: str, count: int = 1) -> None:
        """``feed`` must be of the catalogue, or empty where it could not be read."""
        self._events.labels(feed or "unknown", self._source(source), fate).inc(count)

    def rejected(self, reason: str, feed: str, source: str, count: int = 1) -> None:
        self.fate("rejected", feed, source, count)
        self._rejected.labels(feed or "unknown", self._source(source), reason).inc(count)

    def fates(self, fates: Mapping[tuple[str, str, str], int]) -> None:
        """The engine's fates of a step: (feed, source, fate) -> count."""
        for (feed, source, fate), count in fates.items():
            self.fate(fate, feed, source, count)

    def transitions(self, moved: Iterable[tuple[str, str, str]]) -> None:
        """Each (domain, severity, type)."""
        for labels in moved:
            self._transitions.labels(*labels).inc()

    def watermarks(self, watermarks_ms: Mapping[str, int]) -> None:
        for feed, at_ms in watermarks_ms.items():
            self._watermark.labels(feed).set(at_ms / 1000)

    def newest(self, engine: str, feed: str, at_ms: int) -> None:
        """The newest event of a feed that an engine has come to."""
        self._newest.labels(engine, feed).set(at_ms / 1000)

    def watch(self, name: str, log: WatchedLog) -> None:
        """Measures a log whenever metrics are read."""
        self._watched.logs[name] = log

    def watch_spool(self, sink: str, spool: WatchedSpool) -> None:
        """Measures what a sink holds back whenever metrics are read."""
        self._spools.spools[sink] = spool

    def watch_group(self, sink: str, state: Callable[[], GroupMeasures]) -> None:
        """Measures a sink that shares a topic with others of its group whenever metrics are read."""
        self._members.states[sink] = state

    def _source(self, source: str) -> str:
        if source in self._sources:
            return source
        if len(self._sources) >= _MAX_SOURCES or not source or len(source) > 200:
            return _OTHER if source else "unknown"
        self._sources.add(source)
        return source


class _Logs(Collector):
    def __init__(self) -> None:
        self.logs: dict[str, WatchedLog] = {}

    def collect(self) -> Iterator[Metric]:
        newest = GaugeMetricFamily("fengsui_log_newest", "Greatest position given.", labels=["log"])
        oldest = GaugeMetricFamily("fengsui_log_oldest", "Least position kept.", labels=["log"])
        used = GaugeMetricFamily("fengsui_log_used_bytes", "Bytes in use.", labels=["log"])
        bound = GaugeMetricFamily("fengsui_log_max_bytes", "The log's bound.", labels=["log"])
        lag = GaugeMetricFamily(
            "fengsui_consumer_lag", "Positions that a consumer has still to deal with.", labels=["log", "consumer"]
        )
        for name, log in self.logs.items():
            at = log.newest
            newest.add_metric([name], at)
            oldest.add_metric([name], log.oldest)
            used.add_metric([name], log.used_bytes)
            bound.add_metric([name], log.max_bytes)
            for consumer, pos in log.consumers().items():
                lag.add_metric([name, consumer], max(0, at - pos))
        yield from (newest, oldest, used, bound, lag)


class _Spools(Collector):
    def __init__(self) -> None:
        self.spools: dict[str, WatchedSpool] = {}

    def collect(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("fengsui_spool_bytes", "Bytes held back while a store is down.", labels=["sink"])
        bound = GaugeMetricFamily("fengsui_spool_max_bytes", "The spool's bound.", labels=["sink"])
        batches = GaugeMetricFamily("fengsui_spool_batches", "Batches held back.", labels=["sink"])
        oldest = GaugeMetricFamily(
            "fengsui_spool_oldest_seconds",
            "Receipt of the oldest that is held back, Unix seconds; 0 for none.",
            labels=["sink"],
        )
        damaged = GaugeMetricFamily(
            "fengsui_spool_damaged", "Files that could not be read, had from the log again.", labels=["sink"]
        )
        for sink, spool in self.spools.items():
            used.add_metric([sink], spool.used_bytes)
            bound.add_metric([sink], spool.max_bytes)
            batches.add_metric([sink], spool.batches)
            oldest.add_metric([sink], spool.oldest_ms / 1000)
            damaged.add_metric([sink], spool.damaged)
        yield from (used, bound, batches, oldest, damaged)


class _Members(Collector):
    def __init__(self) -> None:
        self.states: dict[str, Callable[[], GroupMeasures]] = {}

    def collect(self) -> Iterator[Metric]:
        label = ["sink"]
        partitions = GaugeMetricFamily("fengsui_sink_partitions", "Partitions that this process has.", labels=label)
        behind = GaugeMetricFamily("fengsui_sink_behind", "Records in them that it has not taken.", labels=label)
        success = GaugeMetricFamily(
            "fengsui_sink_success_seconds", "When it last took some, Unix seconds.", labels=label
        )
        taken = CounterMetricFamily("fengsui_sink_records", "Records taken.", labels=label)
        foreign = CounterMetricFamily("fengsui_sink_foreign_records", "Records of others, passed over.", labels=label)
        missed = CounterMetricFamily(
            "fengsui_sink_missed_records", "Records that the topic let go before they were taken.", labels=label
        )
        rebalances = CounterMetricFamily(
            "fengsui_sink_rebalances", "Times that partitions were shared out.", labels=label
        )
        failures = CounterMetricFamily("fengsui_sink_failures", "Tries that failed.", labels=label)
        for sink, told in self.states.items():
            state = told()
            partitions.add_metric([sink], len(state.partitions))
            behind.add_metric([sink], state.behind)
            success.add_metric([sink], state.last_success_ms / 1000)
            taken.add_metric([sink], state.taken)
            foreign.add_metric([sink], state.foreign)
            missed.add_metric([sink], state.missed)
            rebalances.add_metric([sink], state.rebalances)
            failures.add_metric([sink], state.failures)
        yield from (partitions, behind, success, taken, foreign, missed, rebalances, failures)
