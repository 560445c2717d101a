"""Why an evaluation did not hold: for the kinds that judge a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from events.times import parse_instant
from fengsui.workbench.key_history import LATE
from fengsui.workbench.reason import SHOWN, Case, Reason, covering, on_time, plain
from fengsui.workbench.rehearsal import Evaluation, Rehearsal, rehearse
from rules.model import RuleSet
from rules.words.section import Line


class Evaluations:
    """``stored``: the alerts that did open are known, and none of them was the one in question."""

    def __init__(self, ruleset: RuleSet, case: Case, *, stored: bool) -> None:
        self.ruleset = ruleset
        self.case = case
        self.rule = case.rule
        self.answer = case.answer
        self.stored = stored

    def find(self) -> Reason:
        case = self.case
        end_ms = max(case.mark_ms, case.at_ms) if self.rule.kind == "each" else case.mark_ms
        rehearsal = case.rehearsed or rehearse(
            self.ruleset, self.rule, case.history, begun_ms=case.begun_ms, end_ms=end_ms
        )
        rehearsal = self._own(rehearsal)
        evaluation = self._picked(rehearsal.evaluations)
        return self._no_evaluation() if evaluation is None else self._judged(evaluation, rehearsal)

    def _say(self, zh: str, en: str) -> str:
        return self.answer.say(zh, en)

    def _own(self, rehearsal: Rehearsal) -> Rehearsal:
        """Of the key in question alone."""
        key = self.case.key
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
                (self.case.some(seen),) if seen else (),
            )
        start = (case.at_ms - window.offset_ms) // window.every_ms * window.every_ms + window.offset_ms
        span = self.answer.between(start, start + window.size_ms)
        if start + window.size_ms > case.mark_ms:
            text = self._say(
                f"窗口 {span} 还没有判断：数据的时间现在只到 {self.answer.at(case.mark_ms)}。",
                f"The window {span} has not been judged yet: time stands at {self.answer.at(case.mark_ms)}.",
            )
            return Reason("not_ended", text, (self.case.some(seen),) if seen else ())
        inside = [event for event in seen if start <= event["time"] < start + window.size_ms]
        if inside:
            return self.case.late(inside)
        return Reason("empty", self._empty_text(span), (self.case.some(seen),) if seen else ())

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
        held, around = self._run(evaluation, rehearsal.evaluations)
        if rule.hold_ms and not opened and evaluation.at_ms - held < rule.hold_ms:
            lasted, hold = answer.time(evaluation.at_ms - held), answer.time(rule.hold_ms)
            text = self._say(
                f"条件成立，但只从 {answer.at(held)} 起连续成立了 {lasted}，要满 {hold}才报警。",
                f"The condition held, but since {answer.at(held)} only, for {lasted}; {hold} without a break are needed.",
            )
            return Reason(
                "hold",
                text,
                (
                    head,
                    Line(self._say("报警条件：", "Condition:"), tuple(parts)),
                    *(self._break(*one) for one in around),
                ),
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
            verdict = self.answer.over_event(rule.where, rule.feed, plain(event))[1]
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
            lines.append(Line(text, tuple(case.told(event, late=True) for event in late[:SHOWN])))
        return lines

    def _values(self, evaluation: Evaluation) -> Mapping[str, object]:
        if self.rule.window is not None:
            return evaluation.values
        event = next((one for one in self.case.events if one["id"] in evaluation.events), {})
        return {**plain(event), **evaluation.values}

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

    def _true(self, evaluations: Sequence[Evaluation]) -> list[bool]:
        """Which of them held: ``when`` did, and ``clear`` did not."""
        values = [one.values for one in evaluations]
        held = self.answer.judge.truths(self.rule.when, values)
        if self.rule.clear is None:
            return held
        cleared = self.answer.judge.truths(self.rule.clear, values)
        return [when and not clear for when, clear in zip(held, cleared, strict=True)]

    def _run(
        self, evaluation: Evaluation, evaluations: Sequence[Evaluation]
    ) -> tuple[int, list[tuple[str, str, Evaluation]]]:
        """Since when it held without a break up to this one; and the false evaluations around that run, with what to call them."""
        true = self._true(evaluations)
        place = evaluations.index(evaluation)
        first = last = place
        while first > 0 and true[first - 1]:
            first -= 1
        while last + 1 < len(evaluations) and true[last + 1]:
            last += 1
        around: list[tuple[str, str, Evaluation]] = []
        if first > 0:
            around.append(("之前一次不成立", "Before, it did not hold", evaluations[first - 1]))
        if last + 1 < len(evaluations):
            around.append(("后来不再成立", "Then it did not hold any more", evaluations[last + 1]))
        return evaluations[first].at_ms, around

    def _break(self, zh: str, en: str, evaluation: Evaluation) -> Line:
        assert self.rule.when is not None
        at = self.answer.at(evaluation.at_ms)
        _, parts = self.answer.judged(self.rule.when, self._values(evaluation))
        return Line(self._say(f"{zh}（{at}）：", f"{en} ({at}):"), tuple(parts))

    def _would(self, evaluation: Evaluation, rehearsal: Rehearsal, head: Line, parts: Sequence[str]) -> Reason:
        standing = covering(rehearsal.transitions, evaluation.at_ms)
        lines = (head, Line(self._say("报警条件：", "Condition:"), tuple(parts)))
        if standing is not None:
            opened, since = standing
            text = self._say(
                f"照规则和这些事件，它会报：预警 {opened.alert} 从 {self.answer.at(since)} 起开着。",
                f"By the rule and these events it does: alert {opened.alert} is open since {self.answer.at(since)}.",
            )
            if self.stored:
                text += self._say(
                    "但存储里没有这条预警：可能当时规则是另一版本、刚重新装入，或预警还没有写进存储。",
                    " But the store has no such alert: perhaps the rule was another version then, or the alert is not stored yet.",
                )
            return Reason("would_open", text, lines)
        text = self._say("条件成立。", "The condition held.")
        return Reason("unknown", text + self._say("没有找出哪一步不满足。", " No step was found that failed."), lines)


def _failing(verdict: Sequence[str]) -> tuple[str, ...]:
    """The topmost parts that do not hold, with what is set in below them."""
    kept, keep = [], False
    for line in verdict:
        if not line.startswith(" "):
            keep = not line.startswith("✓")
        if keep:
            kept.append(line)
    return tuple(kept)
