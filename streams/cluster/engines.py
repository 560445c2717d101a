"""The engines of a cluster as a board or a door sees them: how far each says it has come, and people's acts on their way to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from events.record import Act, Verb
from events.transition import Transition
from rules.arrays import NEVER
from rules.model import RuleSet
from streams.acts import ActPending, PendingActs, Refused
from streams.cluster.partitioning import PREFECTURE_DIGITS, homes
from streams.cluster.passed import Progress, decode_progress, decode_refusal
from streams.cluster.record import PartitionEntry
from streams.cluster.stages import Division, key_texts, stage_of
from streams.cluster.transition_log import TransitionLog, as_transition
from streams.embedded import RunnerHealth
from streams.gateway.gateway import FeedPulse
from streams.log.entry import transition

#: An engine says at least once a second how far it has come.
_SILENT_MS = 20_000


class Sends(Protocol):
    """What carries acts to engines: :class:`streams.cluster.kafka_door.KafkaDoor`."""

    def send_act(self, origin: str, act: Act) -> object: ...


@dataclass
class _Said:
    progress: Progress
    at_ms: int


class Engines:
    """``rules``: the rule set in force. ``alert``: an alert's newest transition, or None. Thread-safe."""

    def __init__(
        self,
        division: Division,
        log: TransitionLog,
        sender: Sends,
        *,
        clock: Callable[[], int],
        rules: Callable[[], RuleSet],
        alert: Callable[[str], Transition | None],
    ) -> None:
        self._division = division
        self._log = log
        self._sender = sender
        self._clock = clock
        self._rules = rules
        self._alert = alert
        self._acts = PendingActs()
        self._lock = threading.Lock()
        self._said: dict[str, _Said] = {}
        #: acts that several engines were asked for, with how many have not answered
        self._asked: dict[str, int] = {}
        self._begun_ms = clock()
        log.listen(self._hear)

    # --- how they fare

    @property
    def health(self) -> RunnerHealth:
        now_ms = self._clock()
        with self._lock:
            said = dict(self._said)
        expected = self._names()
        silent = [
            name for name in expected if now_ms - (said[name].at_ms if name in said else self._begun_ms) > _SILENT_MS
        ]
        heard = [said[name] for name in expected if name in said]
        clocks = [one.progress.clock_ms for one in heard if one.progress.clock_ms > NEVER // 2]
        feeds = {feed for one in heard for feed in one.progress.marks}
        marks = {
            feed: min(one.progress.marks[feed] for one in heard if feed in one.progress.marks) for feed in sorted(feeds)
        }
        warnings = (
            [f"no engine speaks for {', '.join(silent[:5])}{' ...' if len(silent) > 5 else ''}: start workers"]
            if silent
            else []
        )
        return RunnerHealth(
            state="failed" if len(silent) == len(expected) else "running",
            error=warnings[0] if len(silent) == len(expected) else "",
            clock_ms=min(clocks, default=None),
            watermarks={feed: mark for feed, mark in marks.items() if mark > NEVER // 2},
            stepped_at_ms=max((one.at_ms for one in heard), default=0),
            warnings=tuple(warnings),
        )

    def pulse(self) -> dict[str, FeedPulse]:
        """What each feed sent, as far as the engines have come."""
        with self._lock:
            said = [one.progress.feeds for one in self._said.values()]
        found: dict[str, FeedPulse] = {}
        for feeds in said:
            for feed, (accepted, newest_ms, receipt_ms) in feeds.items():
                one = found.get(feed, FeedPulse(0, newest_ms, receipt_ms))
                found[feed] = FeedPulse(
                    one.accepted + accepted, max(one.newest_time_ms, newest_ms), max(one.newest_receipt_ms, receipt_ms)
                )
        return found

    @property
    def ruleset(self) -> RuleSet:
        return self._rules()

    def _names(self) -> list[str]:
        division = self._division
        return [
            *(f"events-{number}" for number in range(division.partitions)),
            *(f"wide-{number}" for number in range(division.wide)),
        ]

    # --- acts

    def act(
        self,
        alert: str,
        verb: Verb,
        by: str,
        note: str | None = None,
        to: str | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> Transition | Refused:
        """As :meth:`streams.embedded.EngineRunner.act`."""
        known = self._alert(alert)
        homes_ = self._homes(known) if known is not None else self.everywhere()
        act = Act(0, self._clock(), uuid.uuid4().hex, alert, verb, by, note, to)
        outcome = self._acts.expect(act.id)
        with self._lock:
            self._asked[act.id] = len(homes_)
        try:
            for home in homes_:
                self._sender.send_act(home, act)
            return outcome.result(timeout_s)
        except FutureTimeout:
            raise ActPending(
                f"the {verb} is stored and will be carried out when {', '.join(homes_[:3])} has come to it"
            ) from None
        finally:
            self._acts.forget(act.id)
            with self._lock:
                self._asked.pop(act.id, None)

    def _homes(self, alert: Transition) -> list[str]:
        """The engines that may have made it; one, where its rule is in force."""
        rule = next((rule for rule in self._rules().rules if rule.id == alert.rule), None)
        if rule is None or not set(rule.by) <= set(alert.key):
            return self.everywhere()
        division = self._division
        match stage_of(rule, division):
            case "events":
                value = str(alert.key[division.field])
                text = value if division.by == "subject" else value[:PREFECTURE_DIGITS]
                return [f"events-{homes(pl.Series([text], dtype=pl.String), division.partitions)[0]}"]
            case "wide":
                if not all(isinstance(alert.key[name], str) for name in rule.by):
                    return [f"wide-{number}" for number in range(division.wide)]
                keys = pl.DataFrame([{name: alert.key[name] for name in rule.by}])
                return [f"wide-{homes(key_texts(keys, rule.by), division.wide)[0]}"]
            case _:
                return ["over"]

    def everywhere(self) -> list[str]:
        """All engines: of a storm, or of a rule that is gone, nobody else knows which made it."""
        return [*self._names(), "over"]

    # --- what they say

    def _hear(self, entry: PartitionEntry) -> None:
        if entry.kind == "frontier":
            with self._lock:
                self._said[entry.origin] = _Said(decode_progress(entry.payload), self._clock())
        elif entry.kind == "transition":
            if self._asked:
                told = transition(as_transition(entry))
                self._acts.settle(told.act, told)
        elif entry.kind == "refused":
            refusal = decode_refusal(entry.payload)
            with self._lock:
                if refusal.act not in self._asked:
                    return
                self._asked[refusal.act] -= 1
                last = self._asked[refusal.act] <= 0
            if last or not refusal.unknown:
                self._acts.settle(refusal.act, Refused(refusal.reason))
