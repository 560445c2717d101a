"""Alerts that did open: one of the key itself, or the storm that it was folded into."""

from __future__ import annotations

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.keeping import Kept
from fengsui.workbench.reason import Case, Reason
from rules.words.section import Line


class Alerts:
    """``holder``: where the alerts are kept."""

    def __init__(self, case: Case, holder: Kept) -> None:
        self.case = case
        self.rule = case.rule
        self.answer = case.answer
        self.holder = holder

    def standing(self) -> Reason | None:
        """An alert of the key that was open, or a storm that it would have been folded into."""
        subject = self.case.key.get("subject")
        alerts = self.holder.alerts(self.rule.id, str(subject) if subject is not None else None)
        for alert in alerts:
            if all(alert.key.get(name) == value for name, value in self.case.key.items()):
                reason = self._open(alert)
                if reason is not None:
                    return reason
        storms = alerts if subject is None else self.holder.alerts(self.rule.id, None)
        for alert in storms:
            if "storm" in alert.key and self._stood(alert):
                text = self.case.say(
                    f"并入了“风暴”预警 {alert.alert}：那时本规则同时开着的预警太多，新的不再逐条报，只在这一条里计数。",
                    f"It was folded into the storm alert {alert.alert}: too many alerts of the rule were open, further ones were "
                    "counted there.",
                )
                return Reason("storm", text, tuple(self._alert_lines(alert)))
        return None

    def _stood(self, alert: Transition) -> bool:
        closed = alert.closed_at is not None and parse_instant(alert.closed_at) <= self.case.at_ms
        return parse_instant(alert.opened_at) <= self.case.at_ms and not closed

    def _open(self, alert: Transition) -> Reason | None:
        opened_ms = parse_instant(alert.opened_at)
        size_ms = self.rule.window.size_ms if self.rule.window and self.rule.window.every_ms else 0
        if self._stood(alert):
            text = self.case.say(
                f"其实已经报了：预警 {alert.alert} 从 {self.answer.at(opened_ms)} 起一直开着，同一对象不另开一条。",
                f"It did: alert {alert.alert} had been open since {self.answer.at(opened_ms)}, and one key has one alert at a time.",
            )
            return Reason("open", text, tuple(self._alert_lines(alert)))
        if self.case.at_ms < opened_ms <= self.case.at_ms + size_ms:
            text = self.case.say(
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
                    self.case.say(
                        "规则在试运行（shadow），所以只有运维人员看得到。",
                        "The rule is on trial (shadow): operators only see it.",
                    )
                )
            )
        if alert.state == "resolved":
            lines.append(
                Line(
                    self.case.say(
                        f"它已处置（{alert.by or '自动办结'}）。",
                        f"It has been resolved (by {alert.by or 'itself, as it closed'}).",
                    )
                )
            )
        lines.append(
            Line(
                self.case.say(
                    f"详情：fengsui rules explain --why {alert.alert}",
                    f"More: fengsui rules explain --why {alert.alert}",
                )
            )
        )
        return lines
