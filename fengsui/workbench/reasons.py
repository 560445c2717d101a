"""The search for the reason why a rule opened nothing, step by step, in the order in which an event meets them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.answer import Answer
from fengsui.workbench.keeping import Kept
from fengsui.workbench.key_history import LATE, KeyHistory
from fengsui.workbench.reason import Case, Event, Reason, covering, nearest, on_time
from fengsui.workbench.reasons_of_matches import new, sequence
from fengsui.workbench.reasons_of_silence import absent
from fengsui.workbench.rehearsal import Evaluation, Rehearsal, rehearse
from rules.arrays import NEVER
from rules.words.said import Language
from rules.words.section import Line

if TYPE_CHECKING:
    from fengsui.workbench.why_not import Question

_NEAR_KEYS = 5
_SHOWN = 3
#: Of events that ``where`` lets through, the nearest so many are looked at for the one that comes nearest to passing.
_LOOKED_AT = 5_000


class Reasons:
    """``holder``: where the alerts that did open are kept; None for event files."""

    def __init__(
        self,
        question: Question,
        history: KeyHistory,
        holder: Kept | None,
        language: Language,
        rehearsed: Rehearsal | None = None,
    ) -> None:
        self.question = question
        self.rule = question.rule
        self.holder = holder
        self.answer = Answer(question.ruleset, question.rule, language)
        self.case = Case(
            self.answer,
            question.rule,
            question.key,
            question.at_ms,
            history,
            question.begun_ms if question.begun_ms is not None else history.oldest_ms,
            history.events(),
            rehearsed,
        )

    def find(self) -> Reason:
        """The first step that failed."""
        if self.rule.mode == "off":
            return Reason(
                "off",
                self._say("这条规则已停用（enabled: false），不判断。", "The rule is switched off (enabled: false)."),
            )
        standing = self._standing()
        if standing is not None:
            return standing
        return self._unheard() or self._unseen() or self._unjudged()

    def _say(self, zh: str, en: str) -> str:
        return self.answer.say(zh, en)

    # --- alerts that did open

    def _standing(self) -> Reason | None:
        """An alert of the key that was open, or a storm that it would have been folded into."""
        if self.holder is None:
            return None
        subject = self.question.key.get("subject")
        alerts = self.holder.alerts(self.rule.id, str(subject) if subject is not None else None)
        for alert in alerts:
            if all(alert.key.get(name) == value for name, value in self.question.key.items()):
                reason = self._open(alert)
                if reason is not None:
                    return reason
        storms = alerts if subject is None else self.holder.alerts(self.rule.id, None)
        for alert in storms:
            if "storm" in alert.key and self._stood(alert):
                text = self._say(
                    f"并入了“风暴”预警 {alert.alert}：那时本规则同时开着的预警太多，新的不再逐条报，只在这一条里计数。",
                    f"It was folded into the storm alert {alert.alert}: too many alerts of the rule were open, further ones were "
                    "counted there.",
                )
                return Reason("storm", text, tuple(self._alert_lines(alert)))
        return None

    def _stood(self, alert: Transition) -> bool:
        closed = alert.closed_at is not None and parse_instant(alert.closed_at) <= self.question.at_ms
        return parse_instant(alert.opened_at) <= self.question.at_ms and not closed

    def _open(self, alert: Transition) -> Reason | None:
        opened_ms = parse_instant(alert.opened_at)
        size_ms = self.rule.window.size_ms if self.rule.window and self.rule.window.every_ms else 0
        if self._stood(alert):
            text = self._say(
                f"其实已经报了：预警 {alert.alert} 从 {self.answer.at(opened_ms)} 起一直开着，同一对象不另开一条。",
                f"It did: alert {alert.alert} had been open since {self.answer.at(opened_ms)}, and one key has one alert at a time.",
            )
            return Reason("open", text, tuple(self._alert_lines(alert)))
        if self.question.at_ms < opened_ms <= self.question.at_ms + size_ms:
            text = self._say(
                f"其实报了：预警 {alert.alert} 在 {self.answer.at(opened_ms)} 开启，那是包含这一时刻的窗口结束的时候。",
                f"It did: alert {alert.alert} opened at {self.answer.at(opened_ms)}, when the window with this instant ended.",
            )
            return Reason("open", text, tuple(self._alert_lines(alert)))
        return None

    def _alert_lines(self, alert: Transition) -> list[Line]:
        lines = [Line(alert.summary.get(self.answer.language, ""))]
        if alert.shadow:
            lines.append(
                Line(
                    self._say(
                        "规则在试运行（shadow），所以只有运维人员看得到。",
                        "The rule is on trial (shadow): operators only see it.",
                    )
                )
            )
        if alert.state == "resolved":
            lines.append(
                Line(
                    self._say(
                        f"它已处置（{alert.by or '自动办结'}）。",
                        f"It has been resolved (by {alert.by or 'itself, as it closed'}).",
                    )
                )
            )
        lines.append(
            Line(
                self._say(
                    f"详情：fengsui rules explain --why {alert.alert}",
                    f"More: fengsui rules explain --why {alert.alert}",
                )
            )
        )
        return lines

    # --- events that never came to the rule

    def _unheard(self) -> Reason | None:
        """No event of the key, or none with a whole key."""
        case, history = self.case, self.case.history
        if case.events or (self.rule.kind == "absent" and self._expected()):
            return None
        feeds = self._say("、", ", ").join(self.answer.named_feed(feed) for feed in sorted(self.rule.feeds))
        if not history.total:
            return Reason(
                "no_feed",
                self._say(f"那段时间没有任何{feeds}的事件。", f"There was no event of {feeds} at all around then."),
            )
        if len(history.keyless):
            lacking = history.events(history.keyless)
            names = tuple(name for name in self.rule.alert_key if name not in nearest(lacking, case.at_ms))
            text = self._say(
                f"事件缺少{self.answer.fields(names)}，分不出是谁的，所以不判断（keyless）。",
                f"The events lack {self.answer.fields(names)}, so they have no whole key and are not judged (keyless).",
            )
            return Reason("keyless", text, (self._some(lacking),))
        near = self._near_keys()
        span = self._say(
            f"那段时间（{self.answer.between(history.oldest_ms or 0, history.newest_ms or 0, open_end=False)}）有 {history.total} 个{feeds}事件，没有一个是它的。",
            f"Of the {history.total} events of {feeds} around then ({self.answer.between(history.oldest_ms or 0, history.newest_ms or 0, open_end=False)}) "
            "none is of this key.",
        )
        lines = [Line(self._say("最相近的：", "The nearest:"), tuple(near))] if near else []
        return Reason("no_events", span, tuple(lines))

    def _expected(self) -> bool:
        return any(dict(key) == dict(self.question.key) for key in self.rule.expect)

    def _near_keys(self) -> list[str]:
        wanted = _joined([self.question.key.get(name, "") for name in self.rule.by])
        known = {_joined(key): key for key in self.case.history.keys}
        close = difflib.get_close_matches(wanted, known, n=_NEAR_KEYS, cutoff=0.3)
        return [
            ",".join(f"{name}={value}" for name, value in zip(self.rule.by, known[text], strict=True)) for text in close
        ]

    def _some(self, events: Sequence[Event], *, late: bool = False) -> Line:
        ordered = sorted(events, key=lambda event: abs(event["time"] - self.case.at_ms))[:_SHOWN]
        lead = self._say(f"最近的（共 {len(events)} 个）：", f"The nearest of {len(events)}:")
        return Line(
            lead, tuple(self.case.told(event, late=late) for event in sorted(ordered, key=lambda event: event["time"]))
        )

    def _unseen(self) -> Reason | None:
        """Events of the key that do not exist for the rule: by ``where``, by its hours, or because they came late."""
        case, rule, answer = self.case, self.rule, self.answer
        if rule.kind == "sequence":
            return None
        own = [event for event in case.events if event["feed"] == rule.feed]
        let_in = [
            event for event, holds in zip(own, answer.judge.holding(rule.where, rule.feed, own), strict=True) if holds
        ]
        if not let_in and own and rule.where is not None:
            event = answer.judge.nearest_to_holding(rule.where, rule.feed, _around(own, case.at_ms))
            lines = answer.over_event(rule.where, rule.feed, _plain(event))[1]
            text = self._say(
                f"有 {len(own)} 个它的事件，但没有一个符合“看什么”的条件（where）。",
                f"There are {len(own)} events of the key, but none passes the rule's `where`.",
            )
            return Reason(
                "where",
                text,
                (Line(self._say("最接近的事件：", "The event that came nearest: ") + case.told(event), tuple(lines)),),
            )
        if rule.only is not None and rule.kind != "absent" and not rule.only.covers(case.at_ms):
            begin = answer.at(rule.only.next_begin(case.at_ms))
            text = self._say(
                f"那一刻不在规则的工作时段内（{rule.only.text}），其间的事件当作没有；下一个时段 {begin} 开始。",
                f"That instant is outside of the rule's hours ({rule.only.text}): events then do not exist for it. The next hours begin "
                f"at {begin}.",
            )
            return Reason("calendar", text)
        seen = case.matching(rule.where, rule.feed)
        if rule.kind != "each" and seen and not on_time(seen):
            return self._late(seen)
        return None

    def _late(self, events: Sequence[Event]) -> Reason:
        feed = self.answer.catalog.feed(self.rule.feed)
        wait = self.answer.time(feed.lateness_ms)
        text = self._say(
            f"事件来得太晚：同类数据的时间已走过它们 {wait}以上，窗口不再等，所以没有算进去。",
            f"The events came too late: the feed had gone on by more than {wait}, so windows no longer waited for them.",
        )
        return Reason("late", text, (self._some(events, late=True),))

    # --- evaluations

    def _unjudged(self) -> Reason:
        case = self.case
        if not case.history.marks or case.mark_ms <= NEVER // 2:
            return Reason(
                "no_feed", self._say("数据的时间还没有开始走。", "Time has not begun for the feeds of the rule.")
            )
        if self.rule.kind == "absent":
            return absent(self.question.ruleset, case)
        if self.rule.kind == "sequence":
            return sequence(self.question.ruleset, case)
        if self.rule.kind == "new":
            return new(case)
        end_ms = max(case.mark_ms, case.at_ms) if self.rule.kind == "each" else case.mark_ms
        rehearsal = case.rehearsed or rehearse(
            self.question.ruleset, self.rule, case.history, begun_ms=case.begun_ms, end_ms=end_ms
        )
        rehearsal = self._own(rehearsal)
        evaluation = self._picked(rehearsal.evaluations)
        if evaluation is None:
            return self._no_evaluation()
        return self._judged(evaluation, rehearsal)

    def _own(self, rehearsal: Rehearsal) -> Rehearsal:
        """Of the key in question alone."""
        key = self.question.key
        evaluations = [one for one in rehearsal.evaluations if all(one.values.get(n) == v for n, v in key.items())]
        transitions = [one for one in rehearsal.transitions if all(one.key.get(n) == v for n, v in key.items())]
        return Rehearsal(evaluations, transitions)

    def _picked(self, evaluations: Sequence[Evaluation]) -> Evaluation | None:
        """The evaluation in question: of a window that has the instant in it, else the last one up to it, else the next."""
        at_ms, window = self.case.at_ms, self.rule.window
        if window is not None and window.shape in ("tumbling", "hopping", "session"):
            found = [one for one in evaluations if one.from_ms <= at_ms <= one.at_ms]
            return max(found, key=self._nearness, default=None)
        before = [one for one in evaluations if one.at_ms <= at_ms]
        return before[-1] if before else next(iter(evaluations), None)

    def _nearness(self, evaluation: Evaluation) -> tuple[int, int]:
        """Of several windows the one that came nearest to an alert, then the last."""
        assert self.rule.when is not None
        finding = self.answer.judge.judged(self.rule.when, evaluation.values)
        return sum(leaf.holds is True for leaf in finding.leaves()), evaluation.at_ms

    def _no_evaluation(self) -> Reason:
        case, rule, window = self.case, self.rule, self.rule.window
        seen = case.matching(rule.where, rule.feed)
        if window is None or window.shape == "sliding":
            return Reason("no_events", self._say("那之前没有它的事件可判断。", "There was no event of it to judge."))
        if window.shape == "session":
            span = self.answer.time(window.size_ms)
            text = self._say(
                f"包含这一刻的一段还没有结束：要静默超过 {span} 才判断，数据的时间现在到 {self.answer.at(case.mark_ms)}。",
                f"The session with this instant has not ended: it is judged when nothing came for more than {span}; time stands at "
                f"{self.answer.at(case.mark_ms)}.",
            )
            last = [event for event in on_time(seen) if event["time"] <= case.at_ms]
            open_ = bool(last) and last[-1]["time"] + window.size_ms >= min(case.at_ms, case.mark_ms)
            return Reason(
                "not_ended" if open_ else "empty",
                text if open_ else self._empty_text(),
                (self._some(seen),) if seen else (),
            )
        start = (case.at_ms - window.offset_ms) // window.every_ms * window.every_ms + window.offset_ms
        span = self.answer.between(start, start + window.size_ms)
        if start + window.size_ms > case.mark_ms:
            text = self._say(
                f"窗口 {span} 还没有判断：数据的时间现在只到 {self.answer.at(case.mark_ms)}。",
                f"The window {span} has not been judged yet: time stands at {self.answer.at(case.mark_ms)}.",
            )
            return Reason("not_ended", text, (self._some(seen),) if seen else ())
        inside = [event for event in seen if start <= event["time"] < start + window.size_ms]
        if inside:
            return self._late(inside)
        return Reason("empty", self._empty_text(span), (self._some(seen),) if seen else ())

    def _empty_text(self, span: str = "") -> str:
        return self._say(
            f"窗口 {span} 里没有它的事件，没有事件的窗口不判断。"
            if span
            else "那一刻前后没有它的事件，所以没有可判断的一段。",
            f"The window {span} has no event of it; a window without events is not judged."
            if span
            else "There was no event of it around then, hence no session to judge.",
        )

    def _judged(self, evaluation: Evaluation, rehearsal: Rehearsal) -> Reason:
        rule, answer = self.rule, self.answer
        assert rule.when is not None
        opened = [
            one for one in rehearsal.transitions if one.type == "opened" and parse_instant(one.at) == evaluation.at_ms
        ]
        values = self._values(evaluation)
        finding, parts = answer.judged(rule.when, values)
        head = self._head(evaluation)
        if rule.clear is not None:
            clearing, lines = answer.judged(rule.clear, values)
            if clearing.holds and finding.holds:
                text = self._say(
                    "恢复条件（clear）成立，以它为准，所以没有报警。",
                    "The condition of closing (`clear`) held, and it wins.",
                )
                return Reason(
                    "clear", text, (head, Line(self._say("恢复条件：", "Condition of closing:"), tuple(lines)))
                )
        if not finding.holds:
            failing = answer.first_failing(finding)
            names = self._say("；", "; ").join(answer.brief(one) for one in failing)
            text = self._say(
                f"报警条件不成立：没有满足“{names}”。", f"The condition did not hold: not so that {names}."
            )
            told = (head, Line(self._say("报警条件：", "Condition:"), tuple(parts)), *self._excluded(evaluation))
            return Reason("when", text, told)
        ladder = answer.ladder(values)
        if ladder is not None and not any(item.startswith("✓") for item in ladder.items):
            text = self._say(
                "报警条件成立，但没有一级的条件成立，所以不报警。",
                "The condition held, but no severity of the ladder did.",
            )
            return Reason("rungs", text, (head, Line(self._say("报警条件：", "Condition:"), tuple(parts)), ladder))
        held = self._held_since(evaluation, rehearsal.evaluations)
        if rule.hold_ms and not opened and evaluation.at_ms - held < rule.hold_ms:
            lasted, hold = answer.time(evaluation.at_ms - held), answer.time(rule.hold_ms)
            text = self._say(
                f"条件成立，但只从 {answer.at(held)} 起连续成立了 {lasted}，要满 {hold}才报警。",
                f"The condition held, but since {answer.at(held)} only, for {lasted}; {hold} without a break are needed.",
            )
            return Reason(
                "hold",
                text,
                (head, Line(self._say("报警条件：", "Condition:"), tuple(parts)), *self._break(held, rehearsal)),
            )
        return self._would(evaluation, rehearsal, head, parts)

    def _excluded(self, evaluation: Evaluation) -> list[Line]:
        """Events of the key within the window that did not count, and why."""
        rule, case, window = self.rule, self.case, self.rule.window
        if window is None:
            return []
        last_ms = evaluation.to_ms - 1 if window.shape in ("tumbling", "hopping") else evaluation.to_ms
        inside = [
            event
            for event in case.events
            if evaluation.from_ms <= event["time"] <= last_ms and event["feed"] == rule.feed
        ]
        passed = self.answer.judge.holding(rule.where, rule.feed, inside)
        shut_out = [event for event, holds in zip(inside, passed, strict=True) if not holds]
        late = [event for event, holds in zip(inside, passed, strict=True) if holds and event[LATE]]
        lines = []
        if shut_out and rule.where is not None:
            event = self.answer.judge.nearest_to_holding(rule.where, rule.feed, shut_out)
            verdict = self.answer.over_event(rule.where, rule.feed, _plain(event))[1]
            lead = self._say(
                f"窗口里另有 {len(shut_out)} 个它的事件不符合“看什么”，例如 {case.told(event)}",
                f"{len(shut_out)} more events of it in the window do not pass `where`, such as {case.told(event)}",
            )
            lines.append(Line(lead, _failing(verdict)))
        if late:
            text = self._say(
                f"窗口里另有 {len(late)} 个来得太晚，没有算进去：",
                f"{len(late)} more in the window came too late to count:",
            )
            lines.append(Line(text, tuple(case.told(event, late=True) for event in late[:_SHOWN])))
        return lines

    def _values(self, evaluation: Evaluation) -> Mapping[str, object]:
        if self.rule.window is not None:
            return evaluation.values
        event = next((one for one in self.case.events if one["id"] in evaluation.events), {})
        return {**_plain(event), **evaluation.values}

    def _head(self, evaluation: Evaluation) -> Line:
        window = self.rule.window
        if window is None:
            event = next((one for one in self.case.events if one["id"] in evaluation.events), None)
            return Line(
                self._say("最近的事件：", "The event: ")
                + (self.case.told(event) if event else self.answer.at(evaluation.at_ms))
            )
        span = self.answer.between(
            evaluation.from_ms, evaluation.to_ms, open_end=window.shape in ("tumbling", "hopping")
        )
        return Line(self._say(f"窗口：{span}", f"Window: {span}"))

    def _held_since(self, evaluation: Evaluation, evaluations: Sequence[Evaluation]) -> int:
        """The first of the unbroken run of true evaluations that ends with this one."""
        since = evaluation.at_ms
        for one in reversed([one for one in evaluations if one.at_ms <= evaluation.at_ms]):
            if not self._true(one):
                break
            since = one.at_ms
        return since

    def _true(self, evaluation: Evaluation) -> bool:
        rule, values = self.rule, self._values(evaluation)
        assert rule.when is not None
        if rule.clear is not None and self.answer.judge.judged(rule.clear, values).holds:
            return False
        return self.answer.judge.judged(rule.when, values).holds is True

    def _break(self, since: int, rehearsal: Rehearsal) -> list[Line]:
        """The false evaluation before the run, or the one after it."""
        around = [one for one in rehearsal.evaluations if not self._true(one)]
        before = [one for one in around if one.at_ms < since]
        after = [one for one in around if one.at_ms > since]
        lines = []
        for one, zh, en in (
            (before[-1:], "之前一次不成立", "Before, it did not hold"),
            (after[:1], "后来不再成立", "Then it did not hold any more"),
        ):
            if one:
                assert self.rule.when is not None
                _, parts = self.answer.judged(self.rule.when, self._values(one[0]))
                lines.append(
                    Line(
                        self._say(
                            f"{zh}（{self.answer.at(one[0].at_ms)}）：", f"{en} ({self.answer.at(one[0].at_ms)}):"
                        ),
                        tuple(parts),
                    )
                )
        return lines

    def _would(self, evaluation: Evaluation, rehearsal: Rehearsal, head: Line, parts: Sequence[str]) -> Reason:
        standing = covering(rehearsal.transitions, evaluation.at_ms)
        lines = (head, Line(self._say("报警条件：", "Condition:"), tuple(parts)))
        if standing is not None:
            opened, since = standing
            text = self._say(
                f"照规则和这些事件，它会报：预警 {opened.alert} 从 {self.answer.at(since)} 起开着。",
                f"By the rule and these events it does: alert {opened.alert} is open since {self.answer.at(since)}.",
            )
            if self.holder is not None:
                text += self._say(
                    "但存储里没有这条预警：可能当时规则是另一版本、刚重新装入，或预警还没有写进存储。",
                    " But the store has no such alert: perhaps the rule was another version then, or the alert is not stored yet.",
                )
            return Reason("would_open", text, lines)
        text = self._say("条件成立。", "The condition held.")
        return Reason("unknown", text + self._say("没有找出哪一步不满足。", " No step was found that failed."), lines)


def _around(events: Sequence[Event], at_ms: int) -> list[Event]:
    """The events nearest to an instant, the very nearest first."""
    return sorted(events, key=lambda event: abs(event["time"] - at_ms))[:_LOOKED_AT]


def _failing(verdict: Sequence[str]) -> tuple[str, ...]:
    """The topmost parts that do not hold, with what is set in below them."""
    kept, keep = [], False
    for line in verdict:
        if not line.startswith(" "):
            keep = not line.startswith("✓")
        if keep:
            kept.append(line)
    return tuple(kept)


def _plain(event: Event) -> Event:
    return {name: given for name, given in event.items() if not name.startswith(" ")}


def _joined(values: Sequence[object]) -> str:
    return "\n".join(map(str, values))
