"""Is everything moving? What stands still or lags behind, since when, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from dashboards.server.services import Log, RunnerHealth, Services, SinkState
from events.times import format_ms

#: A notice is for people to act on, while everything moves.
Level = Literal["notice", "behind", "stalled"]
_ORDER: tuple[Level, ...] = ("stalled", "behind", "notice")

#: The engine steps at least once a second, for the tick.
ENGINE_SILENT_MS = 15_000
ENGINE_BEHIND_S = 5.0
SINK_BEHIND_MS = 15_000
SINK_STALLED_MS = 120_000
#: A log is nearly full from here on.
LOG_FULL_PART = 0.9
#: Nor is anything held back for the store without an end.
SPOOL_FULL_PART = 0.9

_SINKS = {
    "store": ("存储", "store"),
    "store-events": ("事件存储", "store of events"),
    "store-transitions": ("预警存储", "store of alerts"),
    "store-dead": ("死信存储", "store of dead letters"),
    "live": ("实时状态", "live state"),
}


class Trouble(msgspec.Struct, frozen=True):
    """One thing that is wrong. ``since`` is RFC 3339 or null where it is not known."""

    part: str
    level: Level
    since: str | None
    title: dict[str, str]
    detail: str = ""


class Pulse(msgspec.Struct, frozen=True):
    """``health`` is the worst of the problems, which come worst first; a notice is no ill health."""

    health: Literal["ok", "behind", "stalled"]
    problems: tuple[Trouble, ...]
    lag_s: float


def take_pulse(services: Services) -> Pulse:
    """Asks every part how it fares."""
    now_ms = services.clock()
    health = services.runner.health
    scale = services.settings.time_scale
    lag_s = engine_lag_s(services, health, now_ms)
    problems = [*_engine(health, lag_s, now_ms, scale)]
    for sink in services.sinks():
        problems += _sink(sink, now_ms, scale)
    problems += _live(services)
    for name, zh, log in (("event", "事件", services.event_log), ("transition", "预警", services.transition_log)):
        problems += _log(name, zh, log)
    problems += _rules(services)
    problems.sort(key=lambda trouble: _ORDER.index(trouble.level))
    worst = problems[0].level if problems else "notice"
    return Pulse("ok" if worst == "notice" else worst, tuple(problems), lag_s)


def _rules(services: Services) -> Iterator[Trouble]:
    """Named without the faults themselves: these are for those who can mend them (see ``refused`` of the summary)."""
    refusal = services.rules.refused if services.rules else None
    if refusal is None or services.rules is None:
        return
    in_force_ms = services.rules.in_force.since_ms
    zh, en = "新规则有误，未生效", f"The newest rule files are refused ({refusal.faults} faults)"
    if in_force_ms is not None:
        zh, en = f"{zh}，仍按原规则运行", f"{en}; the rules of {format_ms(in_force_ms)} are in force"
    yield Trouble("rules", "notice", format_ms(refusal.since_ms), {"zh": zh, "en": en})


def engine_lag_s(services: Services, health: RunnerHealth, now_ms: int) -> float:
    """The age of the oldest record that the engine has not read, in seconds."""
    if health.lag <= 0:
        return 0.0
    waiting = services.event_log.read(health.pos, 1, 1)
    return max(0.0, (now_ms - waiting[0].at_ms) / services.settings.time_scale / 1000) if waiting else 0.0


def _engine(health: RunnerHealth, lag_s: float, now_ms: int, scale: float) -> Iterator[Trouble]:
    since = format_ms(health.stepped_at_ms) if health.stepped_at_ms else None
    if health.state in ("failed", "stopped"):
        title = {"zh": "研判引擎已停止", "en": "The engine has stopped: nothing is judged"}
        yield Trouble("engine", "stalled", since, title, health.error)
    elif health.state == "waiting":
        title = {"zh": "研判引擎等待磁盘空间", "en": "The engine waits for room on the disk"}
        yield Trouble("engine", "stalled", since, title, health.error)
    elif health.stepped_at_ms and now_ms - health.stepped_at_ms > ENGINE_SILENT_MS * scale:
        silent_s = (now_ms - health.stepped_at_ms) // 1000
        title = {"zh": f"研判引擎 {silent_s} 秒没有动静", "en": f"The engine has not moved for {silent_s} s"}
        yield Trouble("engine", "stalled", since, title)
    elif lag_s > ENGINE_BEHIND_S:
        title = {"zh": f"研判引擎落后 {lag_s:.0f} 秒", "en": f"The engine is {lag_s:.0f} s behind"}
        yield Trouble("engine", "behind", since, title, f"{health.lag} positions")
    for warning in health.warnings:
        title = {"zh": "研判引擎有一项提醒", "en": "The engine has a warning"}
        yield Trouble("engine", "behind", None, title, warning)


def _sink(sink: SinkState, now_ms: int, scale: float) -> Iterator[Trouble]:
    zh, en = _SINKS.get(sink.name, (sink.name, sink.name))
    part = f"sink:{sink.name}"
    since_ms = sink.failing_since_ms or sink.last_success_ms
    since = format_ms(since_ms) if since_ms else None
    waited_ms = (now_ms - since_ms) / scale if since_ms else 0.0
    if not sink.running:
        yield Trouble(part, "stalled", since, {"zh": f"{zh}已停止", "en": f"The {en} has stopped"}, sink.error)
    elif sink.spooled_bytes:
        # What comes is safe, but the store has not had it; with the spool full it also waits in the log.
        used = sink.spooled_bytes / sink.spool_max_bytes
        level: Level = "stalled" if used > SPOOL_FULL_PART else "behind"
        mb = sink.spooled_bytes / 1e6
        title = {"zh": f"{zh}不可用，已暂存 {mb:.0f} MB", "en": f"The {en} is away: {mb:.0f} MB are kept on the disk"}
        yield Trouble(part, level, since, title, sink.error)
    elif sink.error or (sink.lag and waited_ms > SINK_BEHIND_MS):
        level = "stalled" if waited_ms > SINK_STALLED_MS else "behind"
        title = {"zh": f"{zh}落后 {sink.lag} 条", "en": f"The {en} is {sink.lag} entries behind"}
        yield Trouble(part, level, since, title, sink.error)


def _live(services: Services) -> Iterator[Trouble]:
    """Nothing on the board is wrong for it; but other boards start more slowly, and share no sessions."""
    followed = services.live_source()
    if followed is not None and followed.source == "log":
        since = format_ms(followed.since_ms) if followed.since_ms else None
        title = {"zh": "Redis 不可用，已改读日志", "en": "Redis is not available: the board reads the log instead"}
        yield Trouble("live", "behind", since, title, followed.error)


def _log(name: str, zh: str, log: Log) -> Iterator[Trouble]:
    if log.broken is not None:
        title = {"zh": f"{zh}日志无法写入", "en": f"The {name} log cannot be written"}
        yield Trouble("log", "stalled", None, title, str(log.broken))
    elif log.used_bytes > LOG_FULL_PART * log.max_bytes:
        part = log.used_bytes / log.max_bytes
        title = {"zh": f"{zh}日志已用 {part:.0%}", "en": f"The {name} log is {part:.0%} full"}
        yield Trouble("log", "behind", None, title)
