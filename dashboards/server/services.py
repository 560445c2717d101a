"""What the server needs of the rest of the system, as narrow protocols; the wiring hands the real parts in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from events.event import MAX_BODY_BYTES
from events.transition import Transition
from rules.changes import Changes
from rules.errors import RuleError
from rules.model import RuleSet
from sinks.filters import Filter
from sinks.live.protocol import LiveState
from streams.acts import Refused

if TYPE_CHECKING:
    import polars as pl
    from prometheus_client import CollectorRegistry
    from starlette.requests import HTTPConnection

    from dashboards.server.auth import Auth

T_co = TypeVar("T_co", covariant=True)
Verb = Literal["ack", "assign", "note", "resolve", "reopen"]
Key = Mapping[str, str | float | int | bool]


class RejectedLine(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...


class Receipt(Protocol):
    @property
    def accepted(self) -> int: ...
    @property
    def duplicate(self) -> int: ...
    @property
    def rejected(self) -> Sequence[RejectedLine]: ...
    @property
    def rejected_count(self) -> int: ...


class Gateway(Protocol):
    """The door. What it accepted is on the disk when ``accept`` returns; raises LogError by name where it cannot be."""

    def accept(self, body: bytes, content_type: str = ...) -> Receipt: ...


class Log(Protocol):
    """The event log or the transition log (:class:`streams.log.sqlite.SqliteLog`)."""

    @property
    def newest(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    def read(self, after: int, max_events: int = ..., max_bytes: int = ...) -> Sequence[Any]: ...
    @property
    def used_bytes(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def broken(self) -> Exception | None: ...
    def wait(self, after: int, timeout_s: float) -> bool: ...


class Page(Protocol[T_co]):
    """A part of a list, and the cursor of the next one."""

    @property
    def items(self) -> Sequence[T_co]: ...
    @property
    def next(self) -> str | None: ...


class Evidence(Protocol):
    @property
    def items(self) -> Sequence[dict[str, Any]]: ...


class Series(Protocol):
    @property
    def points(self) -> Sequence[tuple[int, float]]: ...
    @property
    def bucket_ms(self) -> int: ...
    @property
    def limit(self) -> float | None: ...


class Subject(Protocol):
    @property
    def first_ms(self) -> int | None: ...
    @property
    def last_ms(self) -> int | None: ...
    @property
    def regions(self) -> Sequence[str]: ...
    @property
    def feeds(self) -> Mapping[str, int]: ...
    @property
    def alerts(self) -> Mapping[str, int]: ...
    @property
    def unresolved(self) -> int: ...


class HistoryPage(Protocol):
    """Events in the order of the log, and up to where it was looked over."""

    @property
    def frame(self) -> pl.DataFrame: ...
    @property
    def after(self) -> int: ...


class History(Protocol):
    """What backtests read (:class:`sinks.store.history.History`)."""

    def outline(self, feeds: Collection[str], from_ms: int, to_ms: int) -> object: ...
    def page(
        self, feeds: Collection[str], after: int, *, span: int, rows: int = ..., before_ms: int | None = ...
    ) -> HistoryPage: ...
    def openings(self, rules: Collection[str], from_ms: int, to_ms: int) -> pl.DataFrame: ...
    def bundle(self, pos: int) -> str | None: ...


class Store(Protocol):
    """What is kept for later (:class:`sinks.store.reads.Reads`). Every call may raise StoreError; lists FilterError too."""

    def events(self, wanted: Filter | None = ...) -> Page[dict[str, Any]]: ...
    def dead_letters(self, wanted: Filter | None = ...) -> Page[dict[str, Any]]: ...
    def alerts(self, wanted: Filter | None = ...) -> Page[Transition]: ...
    def alert_history(self, alert: str) -> list[Transition]: ...
    def transitions(
        self, from_ms: int, to_ms: int, named: Collection[tuple[str, int]] = ..., *, limit: int = ..., **same: str
    ) -> Sequence[Transition]: ...
    def evidence(
        self, feed: str, key: Key, from_ms: int, to_ms: int, ids: Collection[str] = ..., *, limit: int = ...
    ) -> Evidence: ...
    def series(
        self,
        feed: str,
        key: Key,
        value: str | None,
        from_ms: int,
        to_ms: int,
        *,
        limit_field: str | None = ...,
        max_points: int = ...,
        bucket_ms: int | None = ...,
    ) -> Series: ...
    def trend(
        self, wanted: Filter | None = ..., *, bucket_ms: int = ..., offset_ms: int = ...
    ) -> Sequence[tuple[int, Mapping[str, int]]]: ...
    def subject(self, subject: str) -> Subject: ...
    @property
    def history(self) -> History: ...


class RunnerHealth(Protocol):
    """How the engine fares (:class:`streams.embedded.RunnerHealth`)."""

    @property
    def state(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def pos(self) -> int: ...
    @property
    def newest(self) -> int: ...
    @property
    def clock_ms(self) -> int | None: ...
    @property
    def watermarks(self) -> Mapping[str, int]: ...
    @property
    def stepped_at_ms(self) -> int: ...
    @property
    def lag(self) -> int: ...
    @property
    def rules_pos(self) -> int | None: ...
    @property
    def rules_at_ms(self) -> int | None: ...
    @property
    def warnings(self) -> Sequence[str]: ...


class Runner(Protocol):
    """The engine: judges by a rule set, and carries out people's acts."""

    @property
    def health(self) -> RunnerHealth: ...
    @property
    def ruleset(self) -> RuleSet: ...
    def act(
        self, alert: str, verb: Verb, by: str, note: str | None = ..., to: str | None = ...
    ) -> Transition | Refused:
        """Raises ActPending, EngineStopped, LogError."""


class SinkState(Protocol):
    """How a sink fares (:class:`sinks.consumer.SinkState`). Times are epoch ms, 0 is never; ``error`` empty when well.

    ``spooled_bytes``: what it holds back on the disk, of ``spool_max_bytes``, while the store is away.
    """

    @property
    def name(self) -> str: ...
    @property
    def lag(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def failing_since_ms(self) -> int: ...
    @property
    def last_success_ms(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def spooled_bytes(self) -> int: ...
    @property
    def spool_max_bytes(self) -> int: ...


class LiveSource(Protocol):
    """What a copy of a shared live state follows: ``redis``, or ``log`` with why and since when (epoch ms, 0 is unknown)."""

    @property
    def source(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def since_ms(self) -> int: ...


class LiveRebuild(Protocol):
    """Makes a shared live state again (:class:`sinks.live.rebuild.Rebuilding`)."""

    @property
    def progress(self) -> Any: ...
    def begin(self, *, replace_other: bool = ...) -> bool: ...


class FeedPulse(Protocol):
    """What the door accepted of a feed since the start. Times are epoch ms."""

    @property
    def accepted(self) -> int: ...
    @property
    def newest_time_ms(self) -> int: ...
    @property
    def newest_receipt_ms(self) -> int: ...


@dataclass(frozen=True)
class InForce:
    """A rule set and its activation: where in the event log, and when (epoch ms). None where the log no longer has it."""

    ruleset: RuleSet
    position: int | None
    since_ms: int | None


@dataclass(frozen=True)
class Refusal:
    """Rule files that are not in force: what is wrong with them, and since when they are not (epoch ms)."""

    errors: tuple[RuleError, ...]
    left_out: int
    since_ms: int

    @property
    def faults(self) -> int:
        return len(self.errors) + self.left_out


@dataclass(frozen=True)
class Reload:
    """What became of a reload. ``errors`` leave the old rules in force; ``position``: of the activation, None without one.

    ``changes``: against the set before it.
    """

    errors: tuple[RuleError, ...] = ()
    left_out: int = 0
    position: int | None = None
    version: str = ""
    count: int = 0
    changes: Changes = field(default_factory=Changes)


class Rules(Protocol):
    """The rule files (:class:`fengsui.rulebook.Rulebook`)."""

    @property
    def in_force(self) -> InForce: ...
    @property
    def refused(self) -> Refusal | None: ...
    def reload(self) -> Reload:
        """Raises LogError."""


@dataclass(frozen=True)
class Settings:
    """``behind_proxy``: trust a proxy's word for scheme and host. ``zone``: where days begin at midnight.

    ``time_scale``: how much faster than the wall clock the system's clock may run (a recorded day that is played quickly).
    """

    behind_proxy: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    max_boards: int = 1_000
    zone: str = "Asia/Shanghai"
    version: str = "0"
    time_scale: float = 1.0


@dataclass(frozen=True)
class Services:
    """Everything behind the API. Callables are asked at each request; all but :attr:`auth` may be called from any thread."""

    auth: Auth
    clock: Callable[[], int]
    registry: CollectorRegistry
    gateway: Gateway
    event_log: Log
    transition_log: Log
    live: LiveState
    store: Store
    runner: Runner
    #: None where the rules are kept elsewhere
    rules: Rules | None = None
    sinks: Callable[[], Sequence[SinkState]] = field(default=lambda: ())
    pulse: Callable[[], Mapping[str, FeedPulse]] = field(default=dict)
    #: None where the live state is this process's own
    live_source: Callable[[], LiveSource | None] = field(default=lambda: None)
    live_rebuild: LiveRebuild | None = None
    #: the built board; None where there is none
    board: Path | None = None
    settings: Settings = field(default_factory=Settings)


def services_of(connection: HTTPConnection) -> Services:
    """The services of the app that a request came to."""
    services: Services = connection.app.state.services
    return services
