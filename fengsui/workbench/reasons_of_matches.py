"""Why a sequence was not completed, and why a value was not new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from events.record import End, EventBatch
from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.key_history import LATE, POS
from fengsui.workbench.reason import Case, Event, Reason, on_time, plain
from fengsui.workbench.rehearsal import as_batch
from rules.model import RuleSet, Step
from rules.words.judged import value
from rules.words.section import Line
from streams.engine import Engine


@dataclass(frozen=True)
class Turn:
    """What an event did to the match that was under way. ``step``: the step that is waited for after it; None where none is."""

    event: Event
    fate: str  # begun, advanced, broken, expired, completed, nothing
    start_ms: int | None = None
    step: int | None = None


def sequence(ruleset: RuleSet, case: Case) -> Reason:
    """For a rule of kind sequence: plays the key's events one by one through the engine."""
    rule, answer, at_ms = case.rule, case.answer, case.at_ms
    assert rule.within_ms is not None
    if rule.only is not None and not rule.only.covers(at_ms):
        text = case.say(
            f"那一刻不在规则的工作时段内（{rule.only.text}），其间的事件当作没有。",
            f"That instant is outside of the rule's hours ({rule.only.text}): events then do not exist for it.",
        )
        return Reason("calendar", text)
    if case.rehearsed is not None:
        return _over_alerts(case)
    turns, made = _played(ruleset, case)
    told = [turn for turn in turns if turn.fate != "nothing"]
    lines = tuple(Line(_turn(case, turn)) for turn in told[-6:])
    opened = [one for one in made if one.type == "opened" and parse_instant(one.at) <= at_ms]
    within = answer.time(rule.within_ms)
    if not told:
        return _not_begun(case)
    last = told[-1]
    if last.step is not None and last.start_ms is not None:
        due_ms = last.start_ms + rule.within_ms
        waited = rule.sequence[last.step]
        if at_ms <= due_ms:
            return _waiting(case, last, waited, due_ms, lines)
        if waited.absent and not opened:
            text = case.say(
                f"等到 {answer.at(due_ms)} 才算没有来，而数据的时间现在到 {answer.at(case.mark_ms)}。",
                f"Only at {answer.at(due_ms)} it counts as not come; time stands at {answer.at(case.mark_ms)}.",
            )
            return Reason("not_ended", text, lines)
        if not waited.absent:
            text = case.say(
                f"第一步以后 {within}内没有等到第 {last.step + 1} 步，{answer.at(due_ms)} 作罢。",
                f"Step {last.step + 1} did not come within {within} of the first step: it was given up at {answer.at(due_ms)}.",
            )
            return Reason("expired", text, lines)
    if last.fate == "expired":
        text = case.say(
            f"第一步以后 {within}内没有等到下一步，这一轮作罢。",
            f"The next step did not come within {within} of the first one: the round was given up.",
        )
        return Reason("expired", text, lines)
    if last.fate == "broken":
        text = case.say("这一轮被打断，从头等起。", "The round was broken off, and all began anew.")
        return Reason("broken", text, lines)
    if opened:
        text = case.say(
            f"照规则和这些事件，它会报：预警 {opened[-1].alert}，{answer.at(opened[-1].at)} 开启。",
            f"By the rule and these events it does: alert {opened[-1].alert}, opened at {answer.at(opened[-1].at)}.",
        )
        return Reason("would_open", text, lines)
    return Reason("unknown", case.say("没有找出哪一步不满足。", "No step was found that failed."), lines)


def _over_alerts(case: Case) -> Reason:
    """Alerts are not events that could be played one by one: each step is held against what there is."""
    rule, answer = case.rule, case.answer
    assert case.rehearsed is not None
    own = [one for one in case.rehearsed.transitions if all(one.key.get(n) == v for n, v in case.key.items())]
    opened = [one for one in own if one.type == "opened" and parse_instant(one.at) <= case.at_ms]
    if opened:
        text = case.say(
            f"照规则和这些事件，它会报：预警 {opened[-1].alert}，{answer.at(opened[-1].at)} 开启。",
            f"By the rule and these events it does: alert {opened[-1].alert}, opened at {answer.at(opened[-1].at)}.",
        )
        return Reason("would_open", text)
    lines = []
    missing = 0
    for place, step in enumerate(rule.sequence, 1):
        found = [event for event in case.matching(step.where, step.feed) if event["time"] <= case.at_ms]
        lead = case.say(f"第 {place} 步：", f"Step {place}: ")
        lines.append(Line(lead + (case.told(found[-1]) if found else case.say("没有来", "did not come"))))
        if not found and not step.absent and not missing:
            missing = place
    if missing == 1:
        return Reason(
            "not_begun",
            case.say("没有来过第一步的事件，还没有开始。", "No event of the first step came: it has not begun."),
            tuple(lines),
        )
    text = case.say("各步没有按次序在时限内走完：", "The steps were not gone through in order and in time:")
    return Reason("waiting", text, tuple(lines))


def _waiting(case: Case, last: Turn, waited: Step, due_ms: int, lines: tuple[Line, ...]) -> Reason:
    answer, step = case.answer, (last.step or 0) + 1
    if waited.absent:
        text = case.say(
            f"还在等：到 {answer.at(due_ms)} 仍没有来第 {step} 步的事件，才报警。",
            f"It still waits: it opens when no event of step {step} comes until {answer.at(due_ms)}.",
        )
        return Reason("waiting", text, lines)
    text = case.say(
        f"还在等第 {step} 步，最迟到 {answer.at(due_ms)}。",
        f"It waits for step {step}, until {answer.at(due_ms)} at the latest.",
    )
    missing = [
        event
        for event in case.events
        if event["feed"] == waited.feed and (last.start_ms or 0) <= event["time"] <= case.at_ms
    ]
    if missing and waited.where is not None:
        event = case.nearest(missing)
        verdict = answer.over_event(waited.where, waited.feed, plain(event))[1]
        lines = (
            *lines,
            Line(case.say(f"第 {step} 步最近的事件：", f"Nearest to step {step}: ") + case.told(event), tuple(verdict)),
        )
    return Reason("waiting", text, lines)


def _not_begun(case: Case) -> Reason:
    first = case.rule.sequence[0]
    own = [event for event in case.events if event["feed"] == first.feed]
    late = [event for event in case.matching(first.where, first.feed) if event[LATE]]
    if late:
        text = case.say("第一步的事件来得太晚，没有算进去。", "The event of the first step came too late to count.")
        return Reason("late", text, (Line(case.told(case.nearest(late), late=True)),))
    text = case.say("没有来过第一步的事件，还没有开始。", "No event of the first step came: it has not begun.")
    if not own or first.where is None:
        return Reason("not_begun", text)
    event = case.nearest(own)
    verdict = case.answer.over_event(first.where, first.feed, plain(event))[1]
    return Reason(
        "not_begun", text, (Line(case.say("最近的事件：", "The nearest event: ") + case.told(event), tuple(verdict)),)
    )


def _turn(case: Case, turn: Turn) -> str:
    words = {
        "begun": case.say("第 1 步，开始一轮", "step 1, a round begins"),
        "advanced": case.say(f"第 {turn.step} 步", f"step {turn.step}"),
        "broken": case.say(
            "打断（unless，或等它不来的那个事件来了）", "breaks it off (an `unless`, or what should not come)"
        ),
        "expired": case.say("上一轮已过时限", "the round before it was over its time"),
        "completed": case.say("最后一步，报警", "the last step: it opens"),
    }
    return f"{case.told(turn.event)} → {words[turn.fate]}"


def _played(ruleset: RuleSet, case: Case) -> tuple[list[Turn], list[Transition]]:
    """What each on-time event up to the time in question did, and the transitions that came of it all."""
    rule = replace(case.rule, mode="on")
    engine = Engine(replace(ruleset, rules=(rule,)))
    ordered = case.history.rows.filter(~pl.col(LATE)).sort("time", POS)
    events = case.history.events(ordered)
    turns: list[Turn] = []
    made: list[Transition] = []
    before: list[object] | None = None
    for place, event in enumerate(events):
        if event["time"] > case.at_ms:
            break
        batch = as_batch(ordered[place], in_arrival_order=False)
        assert batch is not None
        position = pl.Series("pos", [2 * place + 1])
        # each feed's watermark moves up to the event, so that it is played at once
        steps = engine.step([EventBatch(batch.frame, position), End(2 * place + 2, event["time"])]).transitions
        made += steps
        after = _partial(engine, rule.id)
        turns.append(_turned(event, before, after, steps, rule.within_ms or 0))
        before = after
    made += engine.step([End(1 << 40, max(case.mark_ms, events[-1]["time"] if events else 0))]).transitions
    return turns, made


def _turned(
    event: Event,
    before: list[object] | None,
    after: list[object] | None,
    made: Sequence[Transition],
    within_ms: int,
) -> Turn:
    """By the engine's partial match before and after the event: [code, start, step, ...]."""
    start, step = (int(str(after[1])), int(str(after[2]))) if after is not None else (None, None)
    if any(one.type == "opened" and parse_instant(one.at) == event["time"] for one in made):
        return Turn(event, "completed", start, step)
    if before is None:
        return Turn(event, "begun" if after is not None else "nothing", start, step)
    if after is None:
        return Turn(event, "expired" if int(str(before[1])) + within_ms < event["time"] else "broken")
    if before[1] != after[1]:
        return Turn(event, "begun", start, step)
    return Turn(event, "advanced" if before[2] != after[2] else "nothing", start, step)


def _partial(engine: Engine, rule: str) -> list[object] | None:
    runtime = engine.runtime(rule)
    assert runtime is not None, "the rule is in force"
    partials: list[list[object]] = runtime.state()["partials"]
    return list(partials[0]) if partials else None


def new(case: Case) -> Reason:
    """For a rule of kind new."""
    rule, answer = case.rule, case.answer
    seen = on_time(case.matching(rule.where, rule.feed))
    wanted = [event for event in seen if all(name in event for name in rule.new)]
    named = [
        event for event in wanted if all(event.get(name) == case.key[name] for name in rule.new if name in case.key)
    ]
    if not named:
        text = case.say(
            f"没有带{answer.fields(rule.new)}的事件。" if not wanted else "那之前没有出现过这个值。",
            f"There is no event of it with {answer.fields(rule.new)}." if not wanted else "That value did not come.",
        )
        return Reason("no_events", text)
    event = case.nearest(named)
    values = {name: event[name] for name in rule.new}
    shown = case.say("，", ", ").join(value(given, answer.language) for given in values.values())
    lines: tuple[Line, ...] = (Line(case.say("事件：", "The event: ") + case.told(event)),)
    place = (event["time"], event[POS])
    same = [
        one for one in wanted if all(one[name] == values[name] for name in rule.new) and (one["time"], one[POS]) < place
    ]
    if same and event["time"] - same[-1]["time"] <= rule.memory_ms:
        memory = answer.time(rule.memory_ms)
        text = case.say(
            f"{shown} 不是新的：{answer.at(same[-1]['time'])} 已出现过，{memory}内见过的不算新。",
            f"{shown} is not new: it came at {answer.at(same[-1]['time'])}, and what was seen within {memory} is known.",
        )
        return Reason("seen", text, (*lines, Line(case.say("上一次：", "Before: ") + case.told(same[-1]))))
    if case.begun_ms is not None and event["time"] < case.begun_ms + rule.learn_ms:
        text = case.say(
            f"规则还在学习：{answer.at(case.begun_ms)} 生效，到 {answer.at(case.begun_ms + rule.learn_ms)} 以前只记住，不报警。",
            f"The rule was still learning: in force since {answer.at(case.begun_ms)}, it only remembers until "
            f"{answer.at(case.begun_ms + rule.learn_ms)}.",
        )
        return Reason("learning", text, lines)
    ladder = answer.ladder(plain(event))
    if ladder is not None:
        lines = (*lines, ladder)
        if not any(item.startswith("✓") for item in ladder.items):
            return Reason(
                "rungs",
                case.say("是新的，但没有一级的条件成立。", "It is new, but no severity of the ladder holds."),
                lines,
            )
    text = case.say(
        f"照规则和这些事件，它会报：{shown} 是新的。", f"By the rule and these events it does open: {shown} is new."
    )
    return Reason("would_open", text, lines)
