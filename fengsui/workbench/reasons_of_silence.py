"""Why an absence was not told."""

from __future__ import annotations

from events.times import parse_instant
from fengsui.workbench.reason import Case, Reason, on_time
from fengsui.workbench.rehearsal import rehearse
from rules.model import RuleSet
from rules.words.section import Line


def absent(ruleset: RuleSet, case: Case) -> Reason:
    """For a rule of kind absent."""
    rule, answer, at_ms = case.rule, case.answer, case.at_ms
    assert rule.absent_ms is not None
    gap = answer.time(rule.absent_ms)
    heard = on_time(case.matching(rule.where, rule.feed))
    before = [event for event in heard if event["time"] <= at_ms]
    expected = any(dict(key) == dict(case.key) for key in rule.expect)
    if before:
        last_ms, lines = (
            before[-1]["time"],
            (Line(case.say("最后一次来的事件：", "The last event: ") + case.told(before[-1])),),
        )
    elif expected and case.begun_ms is not None:
        last_ms = case.begun_ms
        lines = (
            Line(
                case.say(
                    "它在名单（expect）里，从规则生效时开始计时。",
                    "It is one of `expect`: its time runs from when the rule came into force.",
                )
            ),
        )
    else:
        text = case.say(
            "那之前它从没来过事件，也不在名单（expect）里：从没来过的不算中断。",
            "It had never been heard before, and is not one of `expect`: what was never heard is not missed.",
        )
        return Reason("never_heard", text)
    due_ms = last_ms + rule.absent_ms
    if at_ms < due_ms:
        text = case.say(
            f"还没有满 {gap}：最后一次来是 {answer.at(last_ms)}，到 {answer.at(due_ms)} 仍没有来才报警。",
            f"It was heard at {answer.at(last_ms)}; only when nothing comes until {answer.at(due_ms)}, {gap} later, it opens.",
        )
        return Reason("heard", text, lines)
    told_ms = due_ms if rule.only is None else rule.only.next_begin(due_ms)
    if at_ms < told_ms:
        text = case.say(
            f"{answer.at(due_ms)} 到期时不在规则的时段内（{rule.only.text if rule.only else ''}），要等 {answer.at(told_ms)} 才报警。",
            f"It fell due at {answer.at(due_ms)}, outside of the rule's hours ({rule.only.text if rule.only else ''}): it opens at {answer.at(told_ms)}.",
        )
        return Reason("calendar", text, lines)
    if case.mark_ms <= told_ms:
        text = case.say(
            f"数据的时间还没有走过 {answer.at(told_ms)}：现在到 {answer.at(case.mark_ms)}。",
            f"Time has not gone beyond {answer.at(told_ms)} yet: it stands at {answer.at(case.mark_ms)}.",
        )
        return Reason("not_ended", text, lines)
    rehearsal = case.rehearsed or rehearse(ruleset, rule, case.history, begun_ms=case.begun_ms, end_ms=case.mark_ms)
    own = [one for one in rehearsal.transitions if all(one.key.get(n) == v for n, v in case.key.items())]
    opened = [one for one in own if one.type == "opened" and parse_instant(one.at) <= at_ms]
    if opened:
        text = case.say(
            f"照规则和这些事件，它会报：预警 {opened[-1].alert}，{answer.at(opened[-1].at)} 开启。",
            f"By the rule and these events it does: alert {opened[-1].alert}, opened at {answer.at(opened[-1].at)}.",
        )
        return Reason("would_open", text, lines)
    return Reason("unknown", case.say("没有找出哪一步不满足。", "No step was found that failed."), lines)
