"""Vehicles that report each other minute while they drive, and cold trucks with the batches in them."""

from __future__ import annotations

import random
from typing import Any

from fengsui.demo.clockwork import MINUTE_MS, local_text, minute_of_day, stamp
from fengsui.demo.places import PREFECTURES
from fengsui.demo.province import SPEEDING_COACH, Province, Vehicle
from fengsui.demo.stories import SPEEDING_MIN, WARM_BOX_MIN

_COLD_BATCHES = 24
_COLD_EVERY_MIN = 5
_COLD_GOODS = (("冷鲜猪肉", 2.0), ("巴氏鲜奶", 4.0), ("疫苗", 5.0), ("速冻水饺", -19.0), ("鲜切花", 6.0))


class Roads:
    """Everything that moves in a province."""

    def __init__(self, province: Province, seed: int) -> None:
        self._vehicles = province.vehicles
        self._seed = seed

    def minute(self, minute: int) -> list[tuple[int, dict[str, Any]]]:
        """(arrival in epoch ms, event) of a minute, not sorted."""
        draw = random.Random(f"roads/{self._seed}/{minute}")
        made = []
        for index, vehicle in enumerate(self._vehicles):
            driven = (minute_of_day(minute) - vehicle.leaves_min) % 1440
            if driven <= vehicle.drives_min and (minute + index) % 2 == 0:
                made.append(self._report(vehicle, minute, driven, draw))
        if minute % _COLD_EVERY_MIN == 0:
            made.extend(self._cold(number, minute, draw) for number in range(_COLD_BATCHES))
        return made

    def _report(self, vehicle: Vehicle, minute: int, driven: int, draw: random.Random) -> tuple[int, dict[str, Any]]:
        at_ms = minute * MINUTE_MS + draw.randrange(MINUTE_MS)
        goods = vehicle.kind == "dangerous_goods"
        limit = 80.0 if goods else 100.0
        speed = limit * min(0.97, max(0.3, draw.gauss(0.82, 0.07)))
        if vehicle.plate == SPEEDING_COACH and SPEEDING_MIN[0] <= minute_of_day(minute) < SPEEDING_MIN[1]:
            speed = draw.uniform(121, 128)
        elif draw.random() < 0.002:
            speed = limit * draw.uniform(1.03, 1.16)
        part = driven / vehicle.drives_min
        return at_ms, {
            "id": f"v-{stamp(minute)}-{vehicle.plate}",
            "feed": "vehicle",
            "source": "vehicle-platform",
            "time": local_text(at_ms),
            "region": (vehicle.home if part < 0.5 else vehicle.goal).code,
            "subject": vehicle.plate,
            "lon": round(vehicle.home.lon + (vehicle.goal.lon - vehicle.home.lon) * part, 5),
            "lat": round(vehicle.home.lat + (vehicle.goal.lat - vehicle.home.lat) * part, 5),
            "kind": vehicle.kind,
            "speed": round(speed, 1),
            "limit": limit,
            "road": "高速公路",
            "driving_h": round(driven / 60, 2),
            "company": vehicle.company,
            "online": True,
            **({"cargo": vehicle.cargo} if goods else {}),
        }

    def _cold(self, number: int, minute: int, draw: random.Random) -> tuple[int, dict[str, Any]]:
        at_ms = minute * MINUTE_MS + draw.randrange(MINUTE_MS)
        product, middle = _COLD_GOODS[number % len(_COLD_GOODS)]
        home = PREFECTURES[number % len(PREFECTURES)].counties[0]
        temperature = middle + draw.gauss(0, 0.4)
        start, end = WARM_BOX_MIN
        if number == 0 and start <= minute_of_day(minute) < end:
            temperature += 11 * min(1.0, (minute_of_day(minute) - start) / 20)
        return at_ms, {
            "id": f"c-{stamp(minute)}-{number}",
            "feed": "trace",
            "source": "cold-chain",
            "time": local_text(at_ms),
            "region": home.code,
            "subject": f"冷链车 {number + 1:02d}",
            "lon": home.lon,
            "lat": home.lat,
            "product": product,
            "batch": f"LL{number + 1:04d}",
            "category": "冷链",
            "action": "运输",
            "temperature": round(temperature, 1),
            "humidity": round(draw.uniform(55, 75), 1),
        }
