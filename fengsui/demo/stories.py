"""What is planted into the day, and when. The ordinary noise around it is in the other modules.

| local time | story |
|---|---|
| 22:30-04:30 | a plant lets its waste water go at night: COD at :data:`NIGHT_OUTFALL` climbs over the permit limit |
| 02:00-06:30 | a petrol truck drives five and a half hours without a rest |
| 05:00-10:30 | haze over one prefecture: PM2.5 of all its stations |
| 07:15-07:50 | a gas leak: 28 % LEL, then 55 % |
| 07:40-08:20 | a coach far over the speed limit |
| 09:10-13:40 | a stack's analyser falls silent |
| 11:40-15:00 | a school canteen: complaints of stomach aches, a failed inspection, a failed sample |
| 13:00-17:10 | a tank creeps up past its alarm levels until somebody closes the valve |
| 14:00-15:00 | a cold truck warms up |
| 18:00-21:30 | a rumour about tap water climbs the hot list |
| 20:10-20:55 | methane at a coal face |
| any | every hour a few short troubles at stations drawn by the seed |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fengsui.demo.clockwork import clock_min, minute_of_day
from fengsui.demo.province import (
    CREEPING_TANK,
    GASSY_MINE,
    LEAKING_GAS,
    NIGHT_OUTFALL,
    SILENT_STATION,
)


@dataclass(frozen=True)
class Course:
    """How one metric of one station runs between two minutes of the day (the second may lie on the next day).

    ``value(part)`` gives the reading where ``part`` goes from 0 to 1 over the course; None: nothing is sent.
    """

    subject: str
    metric: str
    start_min: int
    minutes: int
    value: Callable[[float], float | None]

    def at(self, minute: int) -> float | None:
        """How far it has run at a minute (counted from the epoch), 0 to 1; None outside of it."""
        since = (minute_of_day(minute) - self.start_min) % 1440
        return since / self.minutes if since < self.minutes else None


def _course(subject: str, metric: str, start: str, end: str, value: Callable[[float], float | None]) -> Course:
    begin = clock_min(start)
    return Course(subject, metric, begin, (clock_min(end) - begin) % 1440, value)


def _hump(low: float, high: float) -> Callable[[float], float]:
    """Up within the first tenth, level, and down within the last tenth."""
    return lambda part: low + (high - low) * min(1.0, part * 10, (1 - part) * 10)


def _silence(_part: float) -> None:
    return None


def _creep(part: float) -> float:
    """62 % to 97 % over nine tenths of the time, then down again: the valve was closed and some pumped over."""
    return 62 + 35 * part / 0.9 if part < 0.9 else 97 - 30 * (part - 0.9) / 0.1


def _leak(part: float) -> float:
    if part < 0.1:
        return 4 + 180 * part
    if part < 0.5:
        return 28.0
    return 55.0 if part < 0.8 else 55 - 50 * (part - 0.8) / 0.2


COURSES: tuple[Course, ...] = (
    _course(NIGHT_OUTFALL, "w01018", "22:30", "04:30", _hump(52, 196)),
    _course(NIGHT_OUTFALL, "w21003", "22:30", "04:30", _hump(6, 24)),
    _course(NIGHT_OUTFALL, "w01001", "23:10", "01:20", _hump(7.4, 5.2)),
    _course(LEAKING_GAS, "gas_lel", "07:15", "07:50", _leak),
    _course(SILENT_STATION, "a21026", "09:10", "13:40", _silence),
    _course(SILENT_STATION, "a21002", "09:10", "13:40", _silence),
    _course(SILENT_STATION, "a34013", "09:10", "13:40", _silence),
    _course(CREEPING_TANK, "tank_level", "13:00", "17:10", _creep),
    _course(GASSY_MINE, "ch4", "20:10", "20:55", _hump(0.4, 1.56)),
)

#: PM2.5 of all stations of HAZY_PREFECTURE: (start, end, ug/m3 at its height).
HAZE = (clock_min("05:00"), clock_min("10:30"), 168.0)
#: The canteen: complaints between the first two; then inspected, then sampled.
CANTEEN_MIN = (clock_min("11:40"), clock_min("13:40"), clock_min("14:20"), clock_min("15:00"))
#: The rumour climbs from the first to the second, stays to the third.
RUMOUR_MIN = (clock_min("18:00"), clock_min("20:00"), clock_min("21:30"))
#: The cold truck's box is too warm.
WARM_BOX_MIN = (clock_min("14:00"), clock_min("15:00"))
#: The coach drives too fast.
SPEEDING_MIN = (clock_min("07:40"), clock_min("08:20"))
