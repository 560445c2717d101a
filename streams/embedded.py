"""The embedded runner: a thread that reads the event log, steps the engine, and appends to the transition log.

Nothing is emitted twice or renumbered, whenever the process dies. Each append of transitions says, in the same transaction, up
to which position P of the event log they were made. A snapshot of the engine at S is written only after the transitions up to
S are on the disk. After a crash the engine is restored at S, steps S..P again, and the transitions that P covers are dropped:
the engine is deterministic, so they are the ones that the log already has.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from events.decode import Decoder
from events.record import Act, Activation, Record, Verb
from events.transition import Transition
from rules.book import Outcome
from rules.errors import RuleErrors
from rules.load import load_bundle, load_rules
from rules.model import RuleSet
from streams.acts import ActPending, EngineStopped, PendingActs, Refused
from streams.engine import Engine
from streams.log.entry import Entry, NewEntry, act_entry, activation, tick_entry, transition_entry
from streams.log.errors import LogClosed, LogError, LogMismatch
from streams.log.sqlite import SqliteLog
from streams.metrics import Metrics
from streams.records import RecordReader, stretches
from streams.snapshot_directory import Snapshot, SnapshotDirectory

__all__ = ["ActPending", "EngineRunner", "EngineStopped", "Refused", "RunnerHealth"]

_log = logging.getLogger("fengsui.engine")

CONSUMER = "engine"
#: In the transition log: the position of the event log up to which its transitions were made.
PRODUCED = "produced"

State = Literal["starting", "running", "waiting", "stopped", "failed"]

_STEP_EVENTS = 20_000
_STEP_BYTES = 32 << 20
_LONGEST_WAIT_S = 1.0
_SHORTEST_WAIT_S = 0.01
#: A snapshot may take this part of the engine's time.
_SNAPSHOT_PART = 0.02
#: With the event log full, snapshots, which let go of it, come this often.
_PRESSED_S = 2.0


@dataclass(frozen=True)
class SnapshotPolicy:
    """When a snapshot is due: after ``events`` positions; after ``seconds`` if ``some`` came; after ``at_most_s`` if any did."""

    events: int = 200_000
    seconds: float = 30.0
    some: int = 2_000
    at_most_s: float = 600.0


@dataclass(frozen=True)
class RunnerHealth:
    """How the engine fares. ``waiting``: for room in the transition log or on the disk; ``failed``: it stopped on ``error``."""

    state: State = "starting"
    error: str = ""
    pos: int = 0
    newest: int = 0
    clock_ms: int | None = None
    #: feed -> epoch ms
    watermarks: Mapping[str, int] = field(default_factory=dict)
    #: wall clock of the last step, epoch ms; 0 before the first
    stepped_at_ms: int = 0
    #: for how long something has been waiting in the log; 0 where the engine keeps up
    lag_s: float = 0.0
    #: position that the newest snapshot covers
    snapshot_pos: int = 0
    #: the activation of the rule set that it judges by: position and epoch ms; None where the log no longer has it
    rules_pos: int | None = None
    rules_at_ms: int | None = None
    #: what people should know though the engine runs
    warnings: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        return self.state not in {"stopped", "failed"}

    @property
    def lag(self) -> int:
        """Positions of the event log that the engine has not come to."""
        return max(0, self.newest - self.pos)


class EngineRunner:
    """Runs one engine over one event log. :meth:`start` restores it; :meth:`stop` before the logs are closed.

    ``clock``: epoch milliseconds, for ticks and acts. ``directory``: where its snapshots lie.
    """

    def __init__(
        self,
        event_log: SqliteLog,
        transition_log: SqliteLog,
        *,
        directory: Path,
        clock: Callable[[], int],
        metrics: Metrics | None = None,
        tick_ms: int = 1_000,
        step_events: int = _STEP_EVENTS,
        snapshots: SnapshotPolicy | None = None,
    ) -> None:
        self._event_log = event_log
        self._transition_log = transition_log
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._tick_ms = tick_ms
        self._step_events = step_events
        self._policy = snapshots or SnapshotPolicy()
        self._files = SnapshotDirectory(directory, "engine")
        self._acts = PendingActs()
        self._halt = threading.Event()
        self._progress = threading.Condition()
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        #: loaded already, for the activation that is to come
        self._prepared: RuleSet | None = None
        self._reader: RecordReader | None = None
        self._pos = 0
        self._produced = 0
        self._snapshot_pos = 0
        self._snapshot_s = 0.0
        self._snapshot_took_s = 0.0
        #: refusals of a full event log that the newest snapshot knows of
        self._refusals = 0
        #: engine's clock, and the wall clock when it last moved
        self._moved: tuple[int | None, int] = (None, 0)
        #: wall clock when the engine last was at the end of the log
        self._caught_up_ms = 0
        self._warnings: dict[str, str] = {}
        self._health = RunnerHealth()

    # --- life

    def start(self) -> None:
        """Restores the engine and starts its thread, which first catches up with the log.

        Raises LogMismatch where the files are of different directories or backups, NewerVersion, LogBroken.
        """
        assert self._thread is None, "started before"
        self._transition_log.follow(self._event_log)
        self._produced = self._transition_log.mark(PRODUCED) or 0
        if self._produced > self._event_log.newest:
            raise LogMismatch(
                f"{self._transition_log.path.name} was made from events up to {self._produced}, but "
                f"{self._event_log.path.name} ends at {self._event_log.newest}: restore both from one backup"
            )
        self._event_log.register(CONSUMER)
        self._restore()
        self._snapshot_s = time.monotonic()
        self._caught_up_ms = self._clock()
        self._moved = (self._engine_().clock_ms, self._caught_up_ms)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step in hand and writes a snapshot. May be called twice."""
        self._halt.set()
        self._event_log.wake()
        if self._thread is not None:
            self._thread.join()

    @property
    def health(self) -> RunnerHealth:
        """How it stands now."""
        newest = max(self._health.pos, self._event_log.newest)
        behind_ms = self._clock() - self._caught_up_ms if newest > self._health.pos else 0
        return replace(
            self._health, newest=newest, lag_s=max(0, behind_ms) / 1000, warnings=tuple(self._warnings.values())
        )

    @property
    def ruleset(self) -> RuleSet:
        """The rule set that the engine judges by now."""
        return self._engine_().ruleset

    def newest_rules(self) -> RuleSet:
        """The rule set that is, or is about to be, in force: that of the newest activation in the log, if it can be read."""
        entry = self._event_log.newest_rules()
        if entry is not None:
            try:
                return load_bundle(activation(entry).bundle)
            except RuleErrors as errors:
                _log.warning("the newest rule set in the log is refused by this version:\n%s", errors)
        return self.ruleset

    def prepare(self, ruleset: RuleSet) -> None:
        """Said before its activation: to load 1,000 rules takes seconds, for which the engine would stand still."""
        self._prepared = ruleset

    def _load(self, bundle: Mapping[str, object]) -> RuleSet:
        prepared = self._prepared
        return prepared if prepared is not None and prepared.bundle == bundle else load_bundle(bundle)

    def wait_for(self, pos: int, timeout_s: float) -> bool:
        """Waits until the engine has come to ``pos`` and what it made is on the disk; False where it did not in time."""
        deadline = time.monotonic() + timeout_s
        with self._progress:
            while self._health.pos < pos:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._health.state in {"failed", "stopped"}:
                    return False
                self._progress.wait(left_s)
        return True

    # --- people's acts

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
        """A person does something to an alert: the transition that came of it, on the disk, or the engine's reason why not.

        Raises EngineStopped; ActPending (it will be carried out, but not within ``timeout_s``); LogFull, DiskFull, LogBroken.
        """
        act = Act(0, self._clock(), uuid.uuid4().hex, alert, verb, by, note, to)
        outcome = self._acts.expect(act.id)
        try:
            self._event_log.append([act_entry(act)])
            return outcome.result(timeout_s)
        except FutureTimeout:
            raise ActPending(
                f"the {verb} is stored and will be carried out when the engine has caught up "
                f"({self.health.lag} positions behind)"
            ) from None
        finally:
            self._acts.forget(act.id)

    # --- the engine's thread

    def _engine_(self) -> Engine:
        assert self._engine is not None, "not started"
        return self._engine

    def _restore(self) -> None:
        """The newest snapshot that can be used; without one, a fresh engine from the oldest position kept."""
        oldest = self._event_log.oldest
        refused: list[str] = []
        for snapshot in self._files.load(log=self._event_log.identity, newest=self._event_log.newest):
            if snapshot.pos < oldest - 1:
                refused.append(f"engine snapshot at {snapshot.pos}: the log begins at {oldest}")
                continue
            try:
                self._engine, self._pos = Engine.restore(snapshot.body), snapshot.pos
                break
            except Exception as error:  # a snapshot of another version, or rules this one refuses: the log has it all
                refused.append(f"engine snapshot at {snapshot.pos}: {error}")
        else:
            self._engine, self._pos = Engine(load_rules({})), oldest - 1
            if self._pos > 0:
                refused.append(
                    f"no usable engine snapshot, and the log begins at {oldest}: alerts that were opened before are not "
                    "followed any more"
                )
        self._engine.load = self._load
        self._snapshot_pos = self._pos
        self._reader = RecordReader(Decoder(self._engine.ruleset.catalog))
        for text in (*self._files.unusable, *refused):
            _log.warning("%s", text)
        if refused:
            self._warnings["restore"] = refused[-1]
        self._health = RunnerHealth(pos=self._pos, snapshot_pos=self._pos, clock_ms=self._engine.clock_ms)
        rules = self._event_log.newest_rules()
        if rules is not None and rules.pos <= self._pos:
            self._health = replace(self._health, rules_pos=rules.pos, rules_at_ms=rules.at_ms)

    def _run(self) -> None:
        try:
            self._metrics.engine_up.set(1)
            self._say("running")
            while not self._halt.is_set():
                read = self._event_log.read(self._pos, self._step_events, _STEP_BYTES)
                for stretch in stretches(read):
                    self._step(stretch)
                if self._snapshot_due():
                    self._save()
                if self._pos >= self._event_log.newest:
                    self._caught_up_ms = self._clock()
                    self._tick()
                    if not self._halt.is_set():
                        self._event_log.wait(self._pos, self._until_tick_s())
            self._save()
            self._end("stopped", "the engine is shutting down")
        except _Halted:
            self._end("stopped", "the engine is shutting down")
        except LogClosed:
            self._end("stopped", "the log was closed")
        except BaseException as error:
            # Our own bug, or a disk that fails: going on could lose or double alerts. The logs hold all; people are told.
            _log.critical("the engine stopped after position %d: %r", self._pos, error, exc_info=error)
            self._end("failed", f"{type(error).__name__}: {error}")

    def _end(self, state: State, why: str) -> None:
        self._metrics.engine_up.set(0)
        self._say(state, why if state == "failed" else "")
        self._acts.stop(why)

    def _say(self, state: State, error: str = "") -> None:
        with self._progress:
            self._health = replace(self._health, state=state, error=error)
            self._progress.notify_all()

    def _step(self, stretch: Sequence[Entry]) -> None:
        engine, reader = self._engine_(), self._reader
        assert reader is not None
        began_s = time.perf_counter()
        outcome = self._judge(engine, reader.records(stretch))
        if stretch[-1].kind == "rules":
            self._metrics.activation_seconds.observe(time.perf_counter() - began_s)
        last = stretch[-1].pos
        self._append(outcome, last)
        self._count(outcome, reader, last - self._pos, time.perf_counter() - began_s)
        self._pos = last
        if stretch[-1].kind == "rules":
            self._reader = RecordReader(Decoder(engine.ruleset.catalog))
        now_ms = self._clock()
        if engine.clock_ms != self._moved[0]:
            self._moved = (engine.clock_ms, now_ms)
        with self._progress:
            self._health = replace(
                self._health,
                pos=last,
                clock_ms=engine.clock_ms,
                watermarks=engine.watermarks(),
                stepped_at_ms=now_ms,
            )
            self._progress.notify_all()

    def _judge(self, engine: Engine, records: list[Record]) -> Outcome:
        try:
            outcome = engine.step(records)
        except RuleErrors as errors:
            # An earlier version took them. An activation stands alone in its stretch and is loaded before anything changes,
            # so the rules before it go on, here and in every replay by this version.
            assert [type(record) for record in records] == [Activation]
            _log.error(
                "a rule set in the log is refused by this version, the one before it stays in force:\n%s", errors
            )
            self._warnings["rules"] = f"a rule set in the log is refused by this version: {str(errors).splitlines()[0]}"
            return Outcome()
        for record in records:
            if isinstance(record, Activation):
                self._warnings.pop("rules", None)
                self._health = replace(self._health, rules_pos=record.pos, rules_at_ms=record.at_ms)
        return outcome

    def _append(self, outcome: Outcome, last: int) -> None:
        """The transitions that the log does not have yet, with how far they were made; waits for room as long as it takes."""
        assert len(outcome.transitions) == len(outcome.causes)
        made = [t for t, cause in zip(outcome.transitions, outcome.causes, strict=True) if cause > self._produced]
        if made:
            first = self._transition_log.newest + 1
            numbered = [msgspec.structs.replace(t, seq=seq) for seq, t in enumerate(made, first)]
            at_ms = self._clock()
            newest = self._persist([transition_entry(t, at_ms=at_ms) for t in numbered], last)
            assert newest == numbered[-1].seq, f"someone else wrote to {self._transition_log.path}"
            self._produced = last
            self._metrics.transitions((t.domain, t.severity, t.type) for t in numbered)
            for transition in numbered:
                self._acts.settle(transition.act, transition)
        for act_id, reason in outcome.refusals:
            self._acts.settle(act_id, Refused(reason))

    def _persist(self, new: Sequence[NewEntry], last: int) -> int:
        while True:
            try:
                pos = self._transition_log.append(new, marks={PRODUCED: last})
            except LogError as error:
                if not error.retryable:
                    raise
                _log.error("transitions wait: %s", error)
                self._say("waiting", str(error))
                if self._halt.wait(min(error.retry_after_s or 1.0, _LONGEST_WAIT_S)):
                    raise _Halted from None  # no snapshot: the engine is ahead of what it could write
            else:
                if self._health.state == "waiting":
                    self._say("running")
                return pos

    def _count(self, outcome: Outcome, reader: RecordReader, positions: int, took_s: float) -> None:
        metrics = self._metrics
        metrics.step_seconds.observe(took_s)
        metrics.stepped.inc(positions)
        metrics.engine_pos.set(self._pos + positions)
        metrics.fates(outcome.fates)
        engine = self._engine_()
        if engine.clock_ms is not None:
            metrics.engine_clock.set(engine.clock_ms / 1000)
        metrics.watermarks(engine.watermarks())
        for reason, count in reader.drain().items():
            metrics.undecodable.labels(reason).inc(count)
            _log.warning("%d events of the log cannot be read by the rule set in force: %s", count, reason)

    # --- ticks

    def _tick(self) -> None:
        """When no event moved the engine's clock for a while, the wall clock does: silence must be noticed, too."""
        now_ms = self._clock()
        clock_ms, moved_ms = self._moved
        if 0 <= now_ms - moved_ms < self._tick_ms:
            return
        self._moved = (clock_ms, now_ms)
        # Where the wall clock was put back, time stands until it has caught up.
        if moved_ms <= now_ms and (clock_ms is None or now_ms > clock_ms):
            try:
                self._event_log.append([tick_entry(now_ms)])
            except LogError as error:
                if not error.retryable:
                    raise
                self._warnings["tick"] = f"time does not move on in the log: {error}"
            else:
                self._warnings.pop("tick", None)
                self._metrics.ticks.inc()

    def _until_tick_s(self) -> float:
        left_s = (self._moved[1] + self._tick_ms - self._clock()) / 1000
        return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, left_s))

    # --- snapshots

    def _snapshot_due(self) -> bool:
        positions = self._pos - self._snapshot_pos
        age_s = time.monotonic() - self._snapshot_s
        if self._event_log.refusals != self._refusals and age_s >= _PRESSED_S:
            return True  # the log is full, perhaps of what only the engine still needs
        if positions == 0 or age_s < self._snapshot_took_s / _SNAPSHOT_PART:
            return False
        policy = self._policy
        return (
            positions >= policy.events
            or (positions >= policy.some and age_s >= policy.seconds)
            or age_s >= policy.at_most_s
        )

    def _save(self) -> None:
        """A snapshot of what was stepped; all its transitions are on the disk."""
        pressed, self._refusals = self._event_log.refusals != self._refusals, self._event_log.refusals
        if self._pos == self._snapshot_pos:
            self._snapshot_s = time.monotonic()
            if pressed:  # the snapshot in reserve is given up, and with it what only that one needs of the log
                self._event_log.commit(CONSUMER, self._snapshot_pos)
            return
        began_s = time.monotonic()
        try:
            body = self._engine_().snapshot()
            floor = self._files.save(Snapshot(self._pos, self._event_log.identity, body))
            self._event_log.commit(CONSUMER, floor)
        except LogError as error:
            # The one before it and the log still hold everything; a restart only takes longer.
            _log.warning("no engine snapshot now: %s", error)
            self._warnings["snapshot"] = f"no engine snapshot could be written: {error}"
        else:
            self._warnings.pop("snapshot", None)
            self._snapshot_pos = self._pos
            self._health = replace(self._health, snapshot_pos=self._pos)
        self._snapshot_s = time.monotonic()
        self._snapshot_took_s = self._snapshot_s - began_s
        self._metrics.snapshot_seconds.observe(self._snapshot_took_s)


class _Halted(Exception):
    """Asked to stop while waiting for room."""
