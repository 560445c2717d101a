"""The hours that a rule is limited to, in words."""

from __future__ import annotations

from rules.calendar import DAY_MINUTES, WEEKDAYS, Calendar, Hours
from rules.words import lexicon
from rules.words.section import Line
from rules.words.speaker import Speaker

_DAYS: dict[str, tuple[str, str]] = {
    "workdays": ("工作日", "on working days"),
    "restdays": ("休息日", "on days off"),
    "daily": ("每天", "every day"),
}


def calendar(speaker: Speaker) -> list[Line]:
    """Nothing for a rule that works at all hours."""
    only = speaker.rule.only
    if only is None:
        return []
    if speaker.rule.kind == "absent":
        lead = speaker.say(
            "任何时候来的事件都算来过，但只在下列时段报警；在时段外到期的，下一个时段开始时仍没有来，才报：",
            "What comes is heard at all hours, but it opens within these only; what falls due outside of them opens when the next "
            "begin, if still nothing came:",
        )
    else:
        lead = speaker.say(
            "只看下列时段的事件，其他时间的事件当作没有：",
            "Only events within these hours exist for it:",
        )
    lines = [Line(lead, tuple(_hours(speaker, hours) for hours in _ordered(only)))]
    if any(hours.days in ("workdays", "restdays") for hours in only.hours):
        lines.append(
            Line(
                speaker.say(
                    "工作日和休息日按国家放假安排：调休上班的周末是工作日。",
                    "Working days are those of the Chinese calendar, with its make-up weekends.",
                )
            )
        )
    return lines


def _ordered(only: Calendar) -> list[Hours]:
    order = ("workdays", "restdays", "daily", *WEEKDAYS)
    return sorted(only.hours, key=lambda hours: (order.index(hours.days), hours.begin))


def _hours(speaker: Speaker, hours: Hours) -> str:
    if hours.days in _DAYS:
        days = speaker.say(*_DAYS[hours.days])
    else:
        weekday = lexicon.WEEKDAYS[speaker.language][WEEKDAYS.index(hours.days)]
        days = speaker.say(weekday, f"on {weekday}s")
    if hours.begin == 0 and hours.end == DAY_MINUTES:
        return speaker.say(f"{days}全天", f"{days}, all day")
    begin, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (hours.begin, hours.end))
    if hours.over_midnight:
        return speaker.say(f"{days} {begin} 至次日 {end}", f"{days}, from {begin} to {end} of the day after")
    return speaker.say(f"{days} {begin} 至 {end}", f"{days}, from {begin} to {end}")
