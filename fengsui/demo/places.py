"""Where the demo plays: division codes of 16 prefectures with some of their counties. What happens there is made up."""

from __future__ import annotations

from typing import NamedTuple


class County(NamedTuple):
    """A county by its GB/T 2260 code; ``lon`` and ``lat`` in degrees, near its seat."""

    code: str
    name: str
    lon: float
    lat: float


class Prefecture(NamedTuple):
    """``code``: the first four digits. ``weight``: its share of people and trade, against the others."""

    code: str
    name: str
    weight: float
    counties: tuple[County, ...]


PREFECTURES: tuple[Prefecture, ...] = (
    Prefecture(
        "5301",
        "昆明",
        8.5,
        (
            County("530102", "五华区", 102.71, 25.04),
            County("530103", "盘龙区", 102.75, 25.07),
            County("530111", "官渡区", 102.74, 25.02),
            County("530112", "西山区", 102.66, 25.04),
            County("530114", "呈贡区", 102.82, 24.89),
            County("530181", "安宁市", 102.48, 24.92),
        ),
    ),
    Prefecture(
        "5303",
        "曲靖",
        5.8,
        (
            County("530302", "麒麟区", 103.80, 25.50),
            County("530303", "沾益区", 103.82, 25.60),
            County("530381", "宣威市", 104.10, 26.22),
        ),
    ),
    Prefecture(
        "5304",
        "玉溪",
        2.3,
        (
            County("530402", "红塔区", 102.54, 24.35),
            County("530403", "江川区", 102.75, 24.29),
            County("530481", "澄江市", 102.91, 24.67),
        ),
    ),
    Prefecture(
        "5305", "保山", 2.4, (County("530502", "隆阳区", 99.17, 25.12), County("530581", "腾冲市", 98.49, 25.02))
    ),
    Prefecture(
        "5306",
        "昭通",
        5.1,
        (
            County("530602", "昭阳区", 103.71, 27.32),
            County("530627", "镇雄县", 104.87, 27.44),
            County("530681", "水富市", 104.42, 28.63),
        ),
    ),
    Prefecture(
        "5307", "丽江", 1.3, (County("530702", "古城区", 100.23, 26.88), County("530723", "华坪县", 101.27, 26.63))
    ),
    Prefecture(
        "5308", "普洱", 2.4, (County("530802", "思茅区", 100.98, 22.79), County("530828", "澜沧县", 99.93, 22.56))
    ),
    Prefecture(
        "5309", "临沧", 2.3, (County("530902", "临翔区", 100.08, 23.90), County("530921", "凤庆县", 99.93, 24.58))
    ),
    Prefecture(
        "5323", "楚雄", 2.4, (County("532301", "楚雄市", 101.55, 25.03), County("532331", "禄丰市", 102.08, 25.15))
    ),
    Prefecture(
        "5325",
        "红河",
        4.5,
        (
            County("532501", "个旧市", 103.16, 23.36),
            County("532502", "开远市", 103.27, 23.71),
            County("532503", "蒙自市", 103.36, 23.40),
            County("532504", "弥勒市", 103.41, 24.41),
        ),
    ),
    Prefecture(
        "5326", "文山", 3.5, (County("532601", "文山市", 104.23, 23.39), County("532628", "富宁县", 105.63, 23.63))
    ),
    Prefecture(
        "5328", "西双版纳", 1.3, (County("532801", "景洪市", 100.77, 22.00), County("532823", "勐腊县", 101.56, 21.46))
    ),
    Prefecture(
        "5329",
        "大理",
        3.4,
        (
            County("532901", "大理市", 100.23, 25.60),
            County("532923", "祥云县", 100.55, 25.48),
            County("532930", "洱源县", 99.96, 26.11),
        ),
    ),
    Prefecture("5331", "德宏", 1.3, (County("533102", "瑞丽市", 97.85, 24.01), County("533103", "芒市", 98.59, 24.43))),
    Prefecture(
        "5333", "怒江", 0.6, (County("533301", "泸水市", 98.86, 25.82), County("533325", "兰坪县", 99.42, 26.45))
    ),
    Prefecture(
        "5334", "迪庆", 0.4, (County("533401", "香格里拉市", 99.71, 27.83), County("533422", "德钦县", 98.91, 28.48))
    ),
)
