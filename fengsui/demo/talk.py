"""Public opinion: a hot list that is read every ten minutes, a rumour that climbs it, and news."""

from __future__ import annotations

import random
from typing import Any

from fengsui.demo.clockwork import MINUTE_MS, local_text, minute_of_day, stamp
from fengsui.demo.stories import CANTEEN_MIN, RUMOUR_MIN

_PLATFORM = "热搜榜"
_EVERY_MIN = 10
_LENGTH = 30
_TOPICS = (
    "古城花灯展今晚亮灯", "高校食堂新菜单出圈", "云南野生菌上市", "地铁新线试运行", "雨季出行提示", "周末马拉松限行",
    "中小学开学时间公布", "咖啡节开幕", "候鸟飞抵草海", "丰收节直播带货", "夜市新规征求意见", "老旧小区加装电梯",
    "油价调整", "高速免费时段", "演唱会抢票", "国产新片票房", "球队主场首胜", "非遗手艺人走红", "鲜花价格回落",
    "高原列车加开", "博物馆夜场开放", "共享单车规范停放", "天文爱好者拍到流星", "普洱茶拍卖", "乡村篮球赛", "电影取景地打卡",
    "防汛演练举行", "新能源车下乡", "大学生就业专场", "旅游旺季酒店价格", "外卖食品安全抽检", "校园周边食品检查", "工地扬尘整治",
    "消费券发放", "网约车安全提醒", "泼水节安排公布", "古树保护", "水质周报发布", "菌子中毒提醒", "医保报销新规",
)  # fmt: skip
_RUMOUR = "网传昆明自来水有异味 市民抢购瓶装水"
_CANTEEN_TOPIC = "某小学多名学生午餐后腹泻 家长质疑食堂"


class Talk:
    """The hot list of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def minute(self, minute: int) -> list[tuple[int, dict[str, Any]]]:
        """(arrival in epoch ms, event) of a minute; most minutes have none."""
        if minute % _EVERY_MIN:
            return []
        at_ms = minute * MINUTE_MS + 20_000
        return [
            (
                at_ms + rank,
                {
                    "id": f"hot-{stamp(minute)}-{rank}",
                    "feed": "opinion",
                    "source": "opinion-hotlist",
                    "time": local_text(at_ms + rank),
                    "region": "530100" if title in {_RUMOUR, _CANTEEN_TOPIC} else "530000",
                    "subject": title,
                    "title": title,
                    "rank": rank,
                    "heat": float(heat),
                    "topic": title.split(" ")[0],
                    "platform": _PLATFORM,
                    "category": "社会",
                    "sentiment": -0.7 if title in {_RUMOUR, _CANTEEN_TOPIC} else 0.2,
                },
            )
            for rank, (title, heat) in enumerate(self._list(minute), 1)
        ]

    def _list(self, minute: int) -> list[tuple[str, int]]:
        """The titles with their heat, hottest first."""
        round_ = minute // _EVERY_MIN
        heats: dict[str, float] = {}
        for title in _TOPICS:
            # Each topic has its day: its heat wanders over some hours.
            mood = random.Random(f"mood/{self._seed}/{title}/{round_ // 18}").gauss(0, 0.7)
            wobble = random.Random(f"heat/{self._seed}/{title}/{round_}").gauss(0, 0.08)
            heats[title] = 300_000 * 2.0 ** (mood + wobble)
        now = minute_of_day(minute)
        start, top, end = RUMOUR_MIN
        if start <= now < end:
            heats[_RUMOUR] = 90_000 * 2.0 ** (5.6 * min(1.0, (now - start) / (top - start)))
        if CANTEEN_MIN[1] <= now < CANTEEN_MIN[1] + 240:
            heats[_CANTEEN_TOPIC] = 160_000 * 2.0 ** (2.2 * min(1.0, (now - CANTEEN_MIN[1]) / 90))
        ranked = sorted(heats.items(), key=lambda item: -item[1])[:_LENGTH]
        return [(title, round(heat)) for title, heat in ranked]
