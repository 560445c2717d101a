"""The search for the reason why a rule opened nothing, step by step, in the order in which an event meets them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from fengsui.workbench.answer import Answer
from fengsui.workbench.keeping import Kept
from fengsui.workbench.key_history import KeyHistory
from fengsui.workbench.question import Question
from fengsui.workbench.reason import Case, Event, Reason, nearest, on_time, plain
from fengsui.workbench.reasons_of_alerts import Alerts
from fengsui.workbench.reasons_of_evaluations import Evaluations
from fengsui.workbench.reasons_of_matches import new, sequence
from fengsui.workbench.reasons_of_silence import absent
from fengsui.workbench.rehearsal import Rehearsal
from rules.arrays import NEVER
from rules.words.said import Language
from rules.words.section import Line

_NEAR_KEYS = 5
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
        standing = Alerts(self.case, self.holder).standing() if self.holder is not None else None
        if standing is not None:
            return standing
        return self._unheard() or self._unseen() or self._unjudged()

    def _say(self, zh: str, en: str) -> str:
        return self.answer.say(zh, en)

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
            return Reason("keyless", text, (self.case.some(lacking),))
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
            lines = answer.over_event(rule.where, rule.feed, plain(event))[1]
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
            return self.case.late(seen)
        return None

    def _unjudged(self) -> Reason:
        case, ruleset = self.case, self.question.ruleset
        if not case.history.marks or case.mark_ms <= NEVER // 2:
            return Reason(
                "no_feed", self._say("数据的时间还没有开始走。", "Time has not begun for the feeds of the rule.")
            )
        match self.rule.kind:
            case "absent":
                return absent(ruleset, case)
            case "sequence":
                return sequence(ruleset, case)
            case "new":
                return new(case)
            case _:
                return Evaluations(ruleset, case, stored=self.holder is not None).find()


def _around(events: Sequence[Event], at_ms: int) -> list[Event]:
    """The events nearest to an instant, the very nearest first."""
    return sorted(events, key=lambda event: abs(event["time"] - at_ms))[:_LOOKED_AT]


def _joined(values: Sequence[object]) -> str:
    return "\n".join(map(str, values))
