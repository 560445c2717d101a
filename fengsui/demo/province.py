"""Who is in the demo: stations, companies and vehicles of a province, the same for the same seed. All of them are made up."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fengsui.demo.credit_code import credit_code
from fengsui.demo.places import PREFECTURES, County, Prefecture


@dataclass(frozen=True)
class Station:
    """Something with sensors: an outfall, a stack, an air station, a tank. ``kind`` is a key of ``readings.PROFILES``."""

    subject: str
    kind: str
    source: str
    region: str
    lon: float
    lat: float


@dataclass(frozen=True)
class Firm:
    """A company that is registered, inspected and complained about. ``trade`` is a key of ``filings.TRADES``."""

    code: str
    name: str
    trade: str
    region: str
    place: str
    lon: float
    lat: float


@dataclass(frozen=True)
class Vehicle:
    """``kind``: ``dangerous_goods`` or ``coach``; ``plate`` is its subject. ``leaves_min``: when its day begins (minute of day)."""

    plate: str
    kind: str
    company: str
    cargo: str
    leaves_min: int
    drives_min: int
    home: County
    goal: County


@dataclass(frozen=True)
class Province:
    """Everyone in it."""

    stations: tuple[Station, ...]
    firms: tuple[Firm, ...]
    vehicles: tuple[Vehicle, ...]

    @staticmethod
    def build(seed: int) -> Province:
        """The province of a seed."""
        draw = random.Random(f"province/{seed}")
        return Province(_stations(draw), _firms(draw), _vehicles(draw))

    def station(self, subject: str) -> Station:
        """The station of that name; KeyError where there is none."""
        for station in self.stations:
            if station.subject == subject:
                return station
        raise KeyError(subject)


#: The scenes of the stories: always there, whatever the seed.
NIGHT_OUTFALL = "云岭磷化工 DW001"
CREEPING_TANK = "青龙坡油库 T-07"
LEAKING_GAS = "珠泉燃气调压站 G-03"
SILENT_STATION = "沾益兴源焦化 DA002"
GASSY_MINE = "青石垭煤矿 1203回采面"
HAZY_PREFECTURE = "5303"
CANTEEN = "官渡区星语小学食堂"
OVERDUE_TRUCK = "云A8H216挂"
SPEEDING_COACH = "云L20739"

_SPECIAL: tuple[tuple[str, str, str, str], ...] = (
    (NIGHT_OUTFALL, "outfall", "env-online", "530181"),
    (SILENT_STATION, "stack", "env-online", "530303"),
    (CREEPING_TANK, "tank", "hazard-sources", "530181"),
    (LEAKING_GAS, "gas", "hazard-sources", "530402"),
    (GASSY_MINE, "mine", "mine-safety", "530302"),
)
#: (kind, how many, source, names, the part named)
_ORDINARY: tuple[tuple[str, int, str, tuple[str, ...], str], ...] = (
    ("outfall", 29, "env-online", ("磷化工", "纸业", "糖业", "水务净化厂", "食品厂", "制药", "冶炼", "橡胶"), "DW001"),
    ("stack", 23, "env-online", ("水泥", "热电", "焦化", "钢铁", "铝业", "硅业", "垃圾焚烧厂"), "DA001"),
    ("air", 32, "air-stations", ("气象站", "一中", "市政府", "体育馆", "植物园"), "国控点"),
    ("gas", 39, "hazard-sources", ("燃气门站", "加气站", "油库", "化工园", "农贸市场燃气"), "G-01"),
    ("tank", 29, "hazard-sources", ("油库", "液化气站", "酒精厂", "硫酸厂", "液氨站"), "T-01"),
    ("mine", 7, "mine-safety", ("大坪煤矿", "青松坎煤矿", "石门坳煤矿", "云脚煤矿"), "回采面"),
    ("noise", 10, "noise-stations", ("步行街", "工地", "客运站", "夜市"), "噪声点"),
)
_SYLLABLES = "云滇昌瑞宏安源泰华丰兴盛和顺锦康永益恒达金福民生新长"
#: trade -> (how many of every 100 firms, what ends its name)
_TRADE_NAMES: dict[str, tuple[int, tuple[str, ...]]] = {
    "餐饮": (30, ("米线店", "餐厅", "火锅店", "小吃店", "酒楼")),
    "学校食堂": (6, ("中学食堂", "小学食堂", "幼儿园食堂")),
    "商超": (18, ("超市", "便利店", "生鲜店", "百货")),
    "食品生产": (12, ("食品厂", "乳业", "调味品厂", "茶业")),
    "药店": (10, ("大药房", "药店")),
    "化工": (8, ("化工", "精细化工", "涂料")),
    "建筑": (8, ("建设", "建筑工程", "路桥")),
    "美容健身": (8, ("健身会所", "美容院")),
}
_FIRMS = 320
_CARGOES = ("汽油", "柴油", "液化石油气", "硫酸", "液氨", "甲醇", "烟花爆竹")


def _stations(draw: random.Random) -> tuple[Station, ...]:
    made = [_station(draw, subject, kind, source, _county(code)) for subject, kind, source, code in _SPECIAL]
    taken = {station.subject for station in made}
    for kind, count, source, names, part in _ORDINARY:
        for index in range(count):
            # Each prefecture has air stations; the rest lies where people and trade are.
            home = PREFECTURES[index % len(PREFECTURES)] if kind == "air" else _prefecture(draw)
            county = draw.choice(home.counties)
            for number in range(1, 100):
                subject = f"{_short(county)}{_name(draw)}{draw.choice(names)} {part}"
                subject = subject if number < 20 else f"{subject}{number}"
                if subject not in taken:
                    break
            taken.add(subject)
            made.append(_station(draw, subject, kind, source, county))
    return tuple(made)


def _station(draw: random.Random, subject: str, kind: str, source: str, county: County) -> Station:
    return Station(subject, kind, source, county.code, *_near(draw, county))


def _firms(draw: random.Random) -> tuple[Firm, ...]:
    county = _county("530111")
    made = [
        Firm(credit_code(county.code, 1), CANTEEN, "学校食堂", county.code, "官渡区星语路18号", *_near(draw, county))
    ]
    trades = list(_TRADE_NAMES)
    shares = [share for share, _ in _TRADE_NAMES.values()]
    while len(made) < _FIRMS:
        county = draw.choice(_prefecture(draw).counties)
        trade = draw.choices(trades, shares)[0]
        name = f"{_short(county)}{_name(draw)}{draw.choice(_TRADE_NAMES[trade][1])}"
        place = (
            f"{county.name}{draw.choice('东西南北')}{draw.choice(('正街', '大街', '路', '巷'))}{draw.randint(1, 280)}号"
        )
        code = credit_code(county.code, 100 + len(made) * 7 + draw.randrange(7))
        made.append(Firm(code, name, trade, county.code, place, *_near(draw, county)))
    return tuple(made)


def _vehicles(draw: random.Random) -> tuple[Vehicle, ...]:
    made = [
        Vehicle(
            OVERDUE_TRUCK, "dangerous_goods", "顺滇危货运输", "汽油", 90, 330, _county("530181"), _county("532503")
        ),
        Vehicle(SPEEDING_COACH, "coach", "洱海顺途客运", "", 420, 200, _county("532901"), _county("530102")),
    ]
    letters = dict(zip((home.code for home in PREFECTURES), "ADFMCPJSEGHKLNQR", strict=True))
    while len(made) < 100:
        home = _prefecture(draw)
        start, goal = draw.choice(home.counties), draw.choice(_prefecture(draw).counties)
        goods = len(made) < 60
        plate = f"云{letters[home.code]}{draw.choice('ABEFHK1234')}{draw.randint(1000, 9999)}{'挂' if goods else ''}"
        if start == goal or any(vehicle.plate == plate for vehicle in made):
            continue
        company = f"{home.name}{_name(draw)}{'危货运输' if goods else '客运'}"
        cargo = draw.choice(_CARGOES) if goods else ""
        kind = "dangerous_goods" if goods else "coach"
        # Well within four hours, as the law asks; the stories break it.
        made.append(Vehicle(plate, kind, company, cargo, draw.randrange(1440), draw.randint(70, 220), start, goal))
    return tuple(made)


def _prefecture(draw: random.Random) -> Prefecture:
    return draw.choices(PREFECTURES, [home.weight for home in PREFECTURES])[0]


def _county(code: str) -> County:
    return next(county for home in PREFECTURES for county in home.counties if county.code == code)


def _short(county: County) -> str:
    return county.name[:-1] if len(county.name) > 2 else county.name


def _name(draw: random.Random) -> str:
    return draw.choice(_SYLLABLES) + draw.choice(_SYLLABLES)


def _near(draw: random.Random, county: County) -> tuple[float, float]:
    return round(county.lon + draw.uniform(-0.06, 0.06), 5), round(county.lat + draw.uniform(-0.06, 0.06), 5)
