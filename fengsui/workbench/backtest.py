"""A backtest: the rules on trial over history, and what they would have opened against what did open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from events.decode import Decoder
from events.feeds import ALERT_FEED
from events.record import Act, End, EventBatch, Record, Tick
from events.times import MAX_MS, MIN_MS
from fengsui.exits import InputFault
from fengsui.workbench.candidate import Candidate
from fengsui.workbench.matching import compare
from fengsui.workbench.opening import Opening, stored_openings
from fengsui.workbench.playback import Playback, Source
from fengsui.workbench.report import InForce, Note, Report, RuleReport
from fengsui.workbench.stage import Stage
from fengsui.workbench.warm_up import warm_up_ms
from rules.arrays import NEVER
from rules.errors import RuleErrors
from rules.load import load_bundle
from rules.model import Rule, RuleSet
from sinks.store.history import Outline, StoredAct
from streams.dedupe import Dedupe
from streams.replay import merged
from streams.sources import chunks

#: How much of it has been read, from 0 to 1.
Progress = Callable[[float], None]

#: Without --from: this long before --to.
DEFAULT_SPAN_MS = 7 * 86_400_000
#: Earlier rule sets that are looked at to say which versions of a rule were in force.
_MAX_BUNDLES = 20


@dataclass(frozen=True)
class Span:
    """From ``from_ms`` (included) to ``to_ms`` (not); None where it is left to the history."""

    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True)
class Stretch:
    """What is played: events since ``warm_ms``, so that everything between ``from_ms`` and ``to_ms`` is judged as it was."""

    warm_ms: int
    from_ms: int
    to_ms: int


# --- over a store -----------------------------------------------------------------------------------------------------


class StoredRun:
    """Rules over stored history, once or (to tune one) several times."""

    def __init__(self, source: Source, place: str, ruleset: RuleSet, ids: frozenset[str], span: Span) -> None:
        self._source = source
        self.place = place
        self._ruleset = ruleset
        self._ids = ids
        self._feeds = sorted({feed for rule in ruleset.rules for feed in rule.feeds} & ruleset.catalog.feeds.keys())
        self._decoder = Decoder(ruleset.catalog)
        self.stretch = _stretch(source, self._feeds, span, warm_up_ms(ruleset.rules, ruleset.catalog))
        self.outline: Outline = source.outline(self._feeds, self.stretch.warm_ms, self.stretch.to_ms)
        self.did = stored_openings(source.openings(sorted(ids), self.stretch.warm_ms, self.stretch.to_ms))
        self.read = 0
        self.unreadable = 0

    def play(self, ruleset: RuleSet, watched: frozenset[str], progress: Progress | None = None) -> list[Opening]:
        """What the watched rules of a set (one that reads the same feeds) would have opened."""
        stretch, outline = self.stretch, self.outline
        stage = Stage(ruleset, watched, self._feeds, stretch.to_ms)
        if not outline.first:
            return []
        playback = Playback(self._source, self._feeds, self._decoder)
        begun = [one.at_ms for one in outline.activations[:1]]
        stage.begin(max([stretch.warm_ms, *begun]))
        acts = self._acts(ruleset)
        for record in playback.records(outline.first - 1, outline.newest, acts):
            stage.step([record])
            if progress is not None and stage.clock_ms is not None:
                progress(min(1.0, (stage.clock_ms - stretch.warm_ms) / max(1, stretch.to_ms - stretch.warm_ms)))
            if stage.over:
                break
        else:
            if outline.end_ms and outline.end_ms > (stage.clock_ms or NEVER):
                stage.step([Tick(outline.newest + 1, outline.end_ms)])
        if any(rule.kind == "each" for rule in ruleset.rules) and playback.pos < outline.last:
            # Rules that judge single events see those, too, that came when all was over.
            for record in playback.records(playback.pos, outline.last, before_ms=stretch.to_ms):
                stage.step([record])
        self.read, self.unreadable = playback.read, playback.unreadable
        return stage.openings(stretch.from_ms)

    def _acts(self, ruleset: RuleSet) -> list[Act]:
        """Those that change what opens: a person's resolve ends an episode. Rules over alerts see all."""
        all_of_them = any(ALERT_FEED in rule.feeds for rule in ruleset.rules)
        theirs = {one.alert for one in self.did}
        acts = (_act(stored) for stored in self.outline.acts)
        return [act for act in acts if all_of_them or (act.verb == "resolve" and act.alert in theirs)]

    def in_force(self) -> dict[str, list[InForce]]:
        """Rule id -> the versions that were in force in the stretch, as far as the store knows; empty where it knows nothing."""
        known: dict[str, dict[str, InForce]] = {}
        found: dict[str, list[InForce]] = {rule: [] for rule in self._ids}
        stretch = self.stretch
        before = [one for one in self.outline.activations if one.at_ms <= stretch.from_ms]
        told = [*before[-1:], *(one for one in self.outline.activations if one.at_ms > stretch.from_ms)]
        for one in told[:1] + told[1:][-_MAX_BUNDLES:]:
            if one.bundle not in known:
                known[one.bundle] = self._versions(one.pos)
            for rule, versions in found.items():
                now = known[one.bundle].get(rule, InForce(0, ""))
                if not versions or (versions[-1].version, versions[-1].mode) != (now.version, now.mode):
                    versions.append(InForce(max(one.at_ms, stretch.from_ms), now.version, now.mode))
        return found

    def _versions(self, pos: int) -> dict[str, InForce]:
        text = self._source.bundle(pos)
        try:
            rules = load_bundle(msgspec.json.decode(text)).rules if text else ()
        except RuleErrors:  # an earlier version took them
            rules = ()
        return {rule.id: InForce(0, rule.version, rule.mode) for rule in rules if rule.id in self._ids}


def _act(stored: StoredAct) -> Act:
    body = msgspec.json.decode(stored.body)
    return Act(
        stored.pos, stored.at_ms, **{name: body.get(name) for name in ("id", "alert", "verb", "by", "note", "to")}
    )


def _stretch(source: Source, feeds: Sequence[str], span: Span, warm_ms: int) -> Stretch:
    from_ms, to_ms = span.from_ms, span.to_ms
    if from_ms is None or to_ms is None:
        held = source.outline(feeds, MIN_MS, MAX_MS)
        if not held.newest_ms and to_ms is None:
            raise InputFault(f"the history has no events of {', '.join(feeds)}: give a time with --to")
        to_ms = held.newest_ms + 1 if to_ms is None else to_ms
        from_ms = max(held.oldest_ms, to_ms - DEFAULT_SPAN_MS) if from_ms is None else from_ms
    if from_ms >= to_ms:
        raise InputFault("--from must lie before --to")
    return Stretch(max(MIN_MS, from_ms - warm_ms), from_ms, to_ms)


def backtest_store(
    candidate: Candidate, source: Source, place: str, span: Span, *, zone: str, progress: Progress | None = None
) -> Report:
    """Over the history that a store holds. StoreError, InputFault."""
    began_s = time.perf_counter()
    run = StoredRun(source, place, candidate.played, candidate.ids, span)
    would = run.play(candidate.played, candidate.ids, progress)
    in_force = run.in_force()
    reports = [
        _rule_report(rule, would, run.did, run.stretch.from_ms, in_force.get(rule.id, [])) for rule in candidate.rules
    ]
    return Report(
        file=str(candidate.file),
        source=place,
        from_ms=run.stretch.from_ms,
        to_ms=run.stretch.to_ms,
        warm_ms=run.stretch.warm_ms,
        zone=zone,
        read=run.read,
        seconds=time.perf_counter() - began_s,
        rules=reports,
        notes=tuple(_notes_of_history(run, candidate)),
    )


def _notes_of_history(run: StoredRun, candidate: Candidate) -> Iterator[Note]:
    outline, stretch = run.outline, run.stretch
    if not outline.first:
        feeds = "、".join(sorted(candidate.feeds))
        yield Note(
            f"这段时间的历史里没有 {feeds} 的事件",
            f"the history holds no events of {feeds.replace('、', ', ')} in this time",
        )
        return
    if outline.oldest_ms > stretch.warm_ms and outline.oldest_ms > stretch.from_ms:
        yield Note(
            "历史从指定时段之内才开始，之前的无法重算",
            "the history begins within the time asked for; nothing is known of before",
        )
    elif outline.oldest_ms > stretch.warm_ms:
        yield Note(
            "历史不够长：规则回看的部分有缺，时段开头的结果可能不同",
            "the history is shorter than what the rule looks back on: what opens at the beginning may differ",
        )
    if run.unreadable:
        yield Note(
            f"有 {run.unreadable} 个事件不符合现在的数据目录，未参与计算",
            f"{run.unreadable} events do not fit the feed catalogue as it now is, and were left out",
        )


def _notes_of_rule(rule: Rule, in_force: Sequence[InForce]) -> Iterator[Note]:
    """What was in force of the rule; ``in_force`` empty: nothing is known of that."""
    there = [one for one in in_force if one.version]
    if in_force and not there:
        yield Note(
            "这段时间里系统没有这条规则，因此没有实际预警可比",
            "the rule was not in force in this time, so there is nothing that did open",
        )
    elif in_force and not in_force[0].version:
        yield Note(
            "这条规则在这段时间之内才生效，之前没有实际预警可比",
            "the rule came into force within this time; before, nothing could open",
        )
    elif len(there) > 1:
        yield Note(
            f"这段时间里规则改过 {len(there) - 1} 次，实际预警来自不同版本",
            f"the rule was changed {len(there) - 1} times in this time: what did open is of several versions",
        )
    elif there and there[0].version == rule.version:
        yield Note("与当时生效的规则含义相同", "means the same as the rule that was in force")
    if any(one.mode == "shadow" for one in there):
        yield Note("当时为试运行（shadow）：只记录，未通知", "was on trial (shadow): recorded, not notified")
    if any(one.mode == "off" for one in there):
        yield Note("当时停用（enabled: false）", "was switched off (enabled: false)")


def _rule_report(
    rule: Rule,
    would: Sequence[Opening],
    did: Sequence[Opening],
    from_ms: int | None,
    in_force: Sequence[InForce],
    *,
    compared: bool = True,
) -> RuleReport:
    pairs = compare(
        [one for one in would if one.rule == rule.id],
        [one for one in did if one.rule == rule.id],
        from_ms=from_ms,
        single=rule.kind in ("sequence", "new"),
    )
    notes = tuple(_notes_of_rule(rule, in_force)) if compared else ()
    return RuleReport(rule.id, rule.title, rule.kind, rule.version, pairs, compared, in_force, notes)


# --- over files -------------------------------------------------------------------------------------------------------


class RecordedRun:
    """Rules over event files, merged by time as a replay does."""

    def __init__(self, files: Sequence[str], ruleset: RuleSet, span: Span) -> None:
        self._files = files
        self._decoder = Decoder(ruleset.catalog)
        self.span = span
        self.read = 0
        self.oldest_ms: int | None = None
        self.newest_ms: int | None = None

    def play(self, stages: Sequence[Stage], progress: Callable[[str, int], None] | None = None) -> None:
        """Every event of the files up to the end, through every stage. ``progress``: path and bytes of it read."""
        for record in self.records(progress):
            for stage in stages:
                stage.step([record])

    def records(self, progress: Callable[[str, int], None] | None = None) -> Iterator[Record]:
        """Every event up to the end, each once, and the end."""
        dedupe, last, clock = Dedupe(), 0, NEVER
        self.read = 0
        for whole in merged([self._frames(path, progress) for path in self._files]):
            frame = whole if self.span.to_ms is None else whole.filter(pl.col("time") < self.span.to_ms)
            if not len(frame):
                continue
            reached = np.maximum.accumulate(np.maximum(frame["time"].to_numpy(), clock))
            frame = frame.filter(dedupe.fresh(frame, reached))
            clock = int(reached[-1])
            if len(frame):
                first = int(frame["time"].min())  # type: ignore[arg-type]
                self.oldest_ms = first if self.oldest_ms is None else min(self.oldest_ms, first)
                yield EventBatch(frame, pl.int_range(last + 1, last + 1 + len(frame), eager=True))
                last += len(frame)
        self.newest_ms = None if clock == NEVER else clock
        yield End(last + 1, self.span.to_ms)

    def _frames(self, path: str, progress: Callable[[str, int], None] | None) -> Iterator[pl.DataFrame]:
        done = 0
        for chunk in chunks(path):
            decoded = self._decoder.decode(chunk)
            self.read += len(decoded.frame) + len(decoded.rejected)
            done += len(chunk)
            if progress is not None:
                progress(path, done)
            if len(decoded.frame):
                yield decoded.frame


def backtest_files(
    candidate: Candidate,
    files: Sequence[str],
    span: Span,
    *,
    zone: str,
    progress: Callable[[str, int], None] | None = None,
) -> Report:
    """Over event files: what did open is what the directory's own version of the rules makes of them. SourceError, InputFault."""
    if span.from_ms is not None and span.to_ms is not None and span.from_ms >= span.to_ms:
        raise InputFault("--from must lie before --to")
    began_s = time.perf_counter()
    run = RecordedRun(files, candidate.played, span)
    stages = [Stage(candidate.played, candidate.ids, candidate.feeds, span.to_ms)]
    before = None if candidate.inside else candidate.before()
    if before is not None:
        stages.append(Stage(before, candidate.ids, candidate.feeds, span.to_ms))
    run.play(stages, progress)
    if run.oldest_ms is None or run.newest_ms is None:
        from_ms = span.from_ms if span.from_ms is not None else (span.to_ms or 1) - 1
        to_ms = span.to_ms if span.to_ms is not None else from_ms + 1
    else:
        from_ms = run.oldest_ms if span.from_ms is None else span.from_ms
        to_ms = max(from_ms + 1, run.newest_ms + 1) if span.to_ms is None else span.to_ms
    would = stages[0].openings(from_ms)
    did = stages[1].openings(from_ms) if before is not None else []
    theirs = {rule.id: rule for rule in before.rules} if before is not None else {}
    reports = []
    for rule in candidate.rules:
        other = theirs.get(rule.id)
        known = [InForce(from_ms, other.version, other.mode)] if other else []
        reports.append(_rule_report(rule, would, did, from_ms, known, compared=other is not None))
    return Report(
        file=str(candidate.file),
        source=", ".join(files),
        from_ms=from_ms,
        to_ms=to_ms,
        warm_ms=from_ms if run.oldest_ms is None else min(from_ms, run.oldest_ms),
        zone=zone,
        read=run.read,
        seconds=time.perf_counter() - began_s,
        rules=reports,
        notes=tuple(_notes_of_files(candidate, reports)),
    )


def _notes_of_files(candidate: Candidate, reports: Sequence[RuleReport]) -> Iterator[Note]:
    if candidate.inside:
        yield Note(
            f"{candidate.file} 就是规则目录里的文件，没有另一个版本可比；用 --rules 指定原来的规则目录",
            f"{candidate.file} is the directory's own file, so there is no other version to compare with: name the rules as they "
            "were with --rules",
        )
        return
    new = [report.rule for report in reports if not report.compared]
    if new:
        names = ", ".join(new[:5]) + (f" (+{len(new) - 5})" if len(new) > 5 else "")
        yield Note(
            f"规则目录里没有 {names}，没有可比的",
            f"{names}: not in the rules directory, so there is nothing to compare with",
        )
