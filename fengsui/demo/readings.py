"""Sensor readings: every station, every minute. A pure function of the seed and the minute, all channels at once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fengsui.demo.clockwork import DAY_MIN, MINUTE_MS, local_text, minute_of_day, stamp
from fengsui.demo.province import HAZY_PREFECTURE, Province, Station
from fengsui.demo.stories import COURSES, HAZE, Course


class Profile(NamedTuple):
    """A metric as a healthy station has it. ``base`` is drawn between its bounds, ``swing`` is the share of the daily wave."""

    metric: str
    unit: str
    limit: float
    low: float
    high: float
    swing: float
    noise: float
    digits: int


#: Permit limits are the station's own, here those of the standards in docs/rules.md.
PROFILES: dict[str, tuple[Profile, ...]] = {
    "outfall": (
        Profile("w01018", "mg/L", 100, 30, 62, 0.15, 3.0, 1),
        Profile("w21003", "mg/L", 15, 3, 8.5, 0.15, 0.5, 2),
        Profile("w01001", "", 9, 7.0, 7.8, 0.02, 0.06, 2),
    ),
    "stack": (
        Profile("a21026", "mg/m3", 200, 60, 140, 0.12, 8.0, 1),
        Profile("a21002", "mg/m3", 300, 110, 210, 0.10, 10.0, 1),
        Profile("a34013", "mg/m3", 50, 9, 30, 0.10, 2.0, 1),
    ),
    "air": (Profile("a34004", "ug/m3", 60, 18, 38, 0.20, 3.0, 0),),
    "gas": (Profile("gas_lel", "%LEL", 25, 0.4, 4, 0.10, 0.5, 1),),
    "tank": (
        Profile("tank_level", "%", 85, 38, 68, 0.10, 0.05, 2),
        Profile("tank_pressure", "kPa", 160, 70, 115, 0.05, 0.8, 1),
    ),
    "mine": (Profile("ch4", "%", 1.0, 0.2, 0.5, 0.10, 0.03, 2),),
    "noise": (Profile("LA", "dB(A)", 60, 39, 45, 0.06, 1.2, 1),),
}
#: Short troubles an hour, over all channels; each lifts a reading over its limit for some minutes.
_TROUBLES_AN_HOUR = 6
_CALIBRATION_MIN = 10


@dataclass(frozen=True)
class Channel:
    """One metric of one station."""

    station: Station
    profile: Profile


class Readings:
    """All channels of a province."""

    def __init__(self, province: Province, seed: int) -> None:
        self.channels = [
            Channel(station, profile) for station in province.stations for profile in PROFILES[station.kind]
        ]
        self._seed = seed
        draw = np.random.default_rng([seed, 1])
        count = len(self.channels)
        self._base = np.array([draw.uniform(c.profile.low, c.profile.high) for c in self.channels])
        self._swing = self._base * [c.profile.swing for c in self.channels]
        self._noise = np.array([c.profile.noise for c in self.channels])
        self._phase = draw.uniform(0, 2 * np.pi, count)
        self._slow = draw.uniform(2_000, 9_000, count)
        # Stations report in their own second of the minute, and are calibrated in ten minutes of their own.
        seconds = {station.subject: int(draw.integers(0, 55_000)) for station in province.stations}
        self._offset_ms = [seconds[c.station.subject] for c in self.channels]
        calibrated = {station.subject: int(draw.integers(0, DAY_MIN)) for station in province.stations}
        self._calibrated = np.array([calibrated[c.station.subject] for c in self.channels])
        index = {(c.station.subject, c.profile.metric): i for i, c in enumerate(self.channels)}
        self._courses: list[tuple[int, Course]] = [(index[c.subject, c.metric], c) for c in COURSES]
        self._hazy = [
            i
            for i, c in enumerate(self.channels)
            if c.profile.metric == "a34004" and c.station.region.startswith(HAZY_PREFECTURE)
        ]

    def minute(self, minute: int) -> list[tuple[int, dict[str, Any]]]:
        """(arrival in epoch ms, event) of every reading of a minute, not sorted."""
        values, flags = self._values(minute)
        mark = stamp(minute)
        events = []
        times: dict[int, str] = {}
        for i, channel in enumerate(self.channels):
            value = values[i]
            if np.isnan(value) and flags[i] != "B":
                continue
            station, profile = channel.station, channel.profile
            at_ms = minute * MINUTE_MS + self._offset_ms[i]
            time = times.get(at_ms) or times.setdefault(at_ms, local_text(at_ms))
            event: dict[str, Any] = {
                "id": f"{mark}-{i:03d}",
                "feed": "sensor",
                "source": station.source,
                "time": time,
                "region": station.region,
                "subject": station.subject,
                "lon": station.lon,
                "lat": station.lat,
                "metric": profile.metric,
                "value": round(float(value), profile.digits),
                "unit": profile.unit,
                "quality": flags[i],
                "limit": profile.limit,
                "statistic": "avg",
                "interval": "minute",
            }
            if flags[i] == "B":
                del event["value"]
            events.append((at_ms, event))
        return events

    def _values(self, minute: int) -> tuple[NDArray[np.float64], list[str]]:
        draw = np.random.default_rng([self._seed, 2, minute])
        count = len(self.channels)
        day = np.sin(2 * np.pi * minute_of_day(minute) / DAY_MIN + self._phase)
        slow = 0.4 * np.sin(2 * np.pi * minute / self._slow + 3 * self._phase)
        values = np.maximum(0.0, self._base + self._swing * (day + slow) + self._noise * draw.standard_normal(count))
        flags = ["N"] * count
        since = (minute_of_day(minute) - self._calibrated) % DAY_MIN
        for calibrated in np.flatnonzero(since < _CALIBRATION_MIN):
            flags[calibrated] = "C"
            values[calibrated] *= 1.9
        for cut_off in np.flatnonzero(draw.random(count) < 0.0006):
            flags[cut_off] = "B"
        for i, over in self._troubles(minute // 60, minute % 60):
            values[i] = max(values[i], self.channels[i].profile.limit * (1 + over))
        self._haze(values, minute)
        for i, course in self._courses:
            part = course.at(minute)
            if part is not None:
                told = course.value(part)
                wobble = 0.25 * self._noise[i] * draw.standard_normal()
                values[i] = np.nan if told is None else max(0.0, told + wobble)
                flags[i] = "N"
        return values, flags

    def _haze(self, values: NDArray[np.float64], minute: int) -> None:
        start, end, height = HAZE
        part = (minute_of_day(minute) - start) / (end - start)
        if 0 <= part < 1:
            for i in self._hazy:
                values[i] += height * min(1.0, 5 * part, 5 * (1 - part))

    def _troubles(self, hour: int, within: int) -> list[tuple[int, float]]:
        """(channel, how far over its limit) of the short troubles that run in this minute of an hour."""
        draw = random.Random(f"trouble/{self._seed}/{hour}")
        running = []
        for _ in range(_TROUBLES_AN_HOUR):
            channel = draw.randrange(len(self.channels))
            start, minutes, height = draw.randrange(48), draw.randint(3, 12), draw.uniform(0.04, 0.35)
            # pH has two limits, and a level does not jump: neither is lifted.
            movable = self.channels[channel].profile.metric not in {"w01001", "tank_level"}
            if movable and start <= within < start + minutes:
                running.append((channel, height))
        return running
