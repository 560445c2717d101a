"""What people and offices file: complaints, inspections, samples, permits, hazards and the rest of the registers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fengsui.demo.clockwork import DAY_MIN, MINUTE_MS, local_text, minute_of_day, stamp
from fengsui.demo.province import CANTEEN, Firm, Province
from fengsui.demo.stories import CANTEEN_MIN

Filed = list[tuple[int, dict[str, Any]]]


class Kind(NamedTuple):
    """A register: how many are filed on an ordinary day, between which hours, and where they come from."""

    feed: str
    source: str
    a_day: float
    opens_h: int
    closes_h: int
    fill: Callable[[random.Random, Firm, int], dict[str, Any]]
    trades: frozenset[str] = frozenset()


_COMPLAINTS: dict[str, tuple[str, ...]] = {
    "消费维权": ("买到的商品与宣传不符，商家不退款", "预付卡余额不退", "结账价与标价不一致", "拒绝开具发票"),
    "食品安全": ("买到过期食品", "饭菜里吃出异物", "后厨卫生差", "食品没有生产日期"),
    "噪声扰民": ("夜间施工吵得睡不着", "楼下音响声音太大", "商铺循环播放叫卖喇叭"),
    "环境污染": ("空气里有刺鼻气味", "河水颜色异常", "工地扬尘很大", "烟囱冒黑烟"),
    "物业管理": ("电梯经常停运", "垃圾多日无人清运", "小区停水没有通知"),
    "城市管理": ("占道经营", "井盖破损", "路灯不亮"),
    "劳动纠纷": ("拖欠工资", "未签劳动合同"),
    "交通出行": ("公交长时间不来", "出租车拒载"),
    "安全生产": ("仓库堆放易燃物", "工地没有防护网", "消防通道被堵"),
}
_COMPLAINT_SHARES = (24, 9, 17, 11, 13, 12, 6, 5, 3)
_CHANNELS = ("12345热线", "12315平台", "网上信访", "小程序")
_PRODUCTS = ("大米", "食用油", "鲜牛奶", "米线", "熟肉制品", "腌腊制品", "儿童玩具", "电热水壶", "电动车充电器", "化肥")
_ITEMS = (
    ("菌落总数", "CFU/g", 100_000.0),
    ("铅", "mg/kg", 0.2),
    ("苯甲酸", "g/kg", 1.0),
    ("黄曲霉毒素B1", "μg/kg", 10.0),
)
_HAZARDS = (
    "电气线路老化",
    "安全出口锁闭",
    "特种作业无证上岗",
    "危化品混存",
    "临边无防护",
    "消防设施失效",
    "有限空间无警示",
)
_PERMITS = (
    "食品经营许可证",
    "危险化学品经营许可证",
    "药品经营许可证",
    "排污许可证",
    "安全生产许可证",
    "建筑施工许可证",
)


def _complaint(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    category = draw.choices(list(_COMPLAINTS), _COMPLAINT_SHARES)[0]
    return {
        "category": category,
        "text": draw.choice(_COMPLAINTS[category]),
        "channel": draw.choice(_CHANNELS),
        "status": "待办",
        "place": firm.place,
        "kind": draw.choices(("投诉", "举报", "咨询"), (6, 3, 1))[0],
        "urgency": draw.choices(("一般", "紧急"), (19, 1))[0],
        "name": firm.name,
    }


def _inspection(draw: random.Random, firm: Firm, at_ms: int) -> dict[str, Any]:
    score = round(min(10.0, max(3.0, draw.gauss(8.4, 1.1))), 1)
    violations = max(0, round((9.4 - score) * 1.4))
    result = "合格" if score >= 7.5 else "责令改正" if score >= 6 else "不合格"
    filed: dict[str, Any] = {
        "result": result,
        "score": score,
        "kind": draw.choice(("日常检查", "双随机", "专项检查", "举报核查")),
        "category": firm.trade,
        "risk": draw.choices("ABCD", (4, 4, 2, 1))[0],
        "violations": violations,
        "key_violations": max(0, violations - 4),
        "text": "；".join(
            draw.sample(("台账不全", "健康证过期", "标签不清", "冷藏温度偏高", "通道堆物"), min(violations, 3))
        )
        or "无",
        "place": firm.place,
        "name": firm.name,
    }
    if result != "合格":
        filed["due"] = local_text(at_ms + draw.choice((3, 7, 15)) * DAY_MIN * MINUTE_MS)
    return filed


def _sampling(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    item, unit, limit = draw.choice(_ITEMS)
    value = limit * min(1.6, draw.betavariate(2, 5) * 1.25)
    return {
        "product": draw.choice(_PRODUCTS[:6]),
        "batch": f"B{draw.randint(100000, 999999)}",
        "category": "食品",
        "item": item,
        "value": round(value, 3),
        "limit": limit,
        "unit": unit,
        "result": "不合格" if value > limit else "合格",
        "kind": draw.choice(("监督抽检", "风险监测")),
        "stage": draw.choice(("生产", "流通", "餐饮")),
        "seller": firm.name,
        "place": firm.place,
    }


def _permit(draw: random.Random, _firm: Firm, at_ms: int) -> dict[str, Any]:
    days = draw.choices(
        (draw.randint(200, 1500), draw.randint(15, 90), draw.randint(0, 14), -draw.randint(1, 30)), (12, 4, 2, 1)
    )[0]
    return {
        "permit_no": f"滇{draw.randint(10_000_000, 99_999_999)}",
        "name": draw.choice(_PERMITS),
        "kind": draw.choice(_PERMITS),
        "action": draw.choice(("新办", "延续", "变更", "到期核查")),
        "status": "有效" if days >= 0 else "已过期",
        "expires": local_text(at_ms + days * DAY_MIN * MINUTE_MS),
        "days_left": days,
    }


def _registration(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    return {
        "name": firm.name,
        "action": draw.choice(("设立", "变更", "变更", "注销", "年报")),
        "kind": draw.choice(("有限责任公司", "个体工商户")),
        "status": "存续",
        "industry": firm.trade,
        "capital": float(draw.choice((10, 50, 100, 500, 1000))),
    }


def _penalty(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    return {
        "document_no": f"滇监罚〔2026〕{draw.randint(1, 9999)}号",
        "name": firm.name,
        "kind": draw.choices(("警告", "罚款", "没收违法所得", "责令停产停业", "吊销许可证"), (5, 9, 3, 1, 1))[0],
        "category": draw.choice(("食品安全", "广告", "价格", "产品质量", "环境保护", "安全生产")),
        "reason": draw.choice(("经营过期食品", "虚假宣传", "未明码标价", "超标排放", "未按规定培训")),
        "amount": float(draw.choice((1_000, 5_000, 10_000, 50_000, 200_000, 600_000))),
        "status": "未履行",
    }


def _credit(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    before, after = draw.choice((("A", "B"), ("B", "B"), ("B", "C"), ("C", "B"), ("C", "D"), ("A", "A")))
    return {
        "name": firm.name,
        "action": draw.choices(("评级", "列入", "移出", "修复"), (8, 2, 1, 1))[0],
        "register": draw.choices(("经营异常名录", "严重违法失信名单"), (4, 1))[0],
        "score": float({"A": 95, "B": 82, "C": 64, "D": 41}[after] + draw.randint(-4, 4)),
        "grade": after,
        "previous_grade": before,
        "reason": draw.choice(("未按期年报", "通过住所无法联系", "抽检不合格", "年度评价")),
    }


def _hazard(draw: random.Random, firm: Firm, at_ms: int) -> dict[str, Any]:
    return {
        "category": draw.choice(("消防", "用电", "危化品", "建筑施工", "特种设备")),
        "level": draw.choices(("一般隐患", "较大隐患", "重大隐患"), (26, 5, 1))[0],
        "status": draw.choices(("待整改", "整改中", "已整改", "逾期未整改"), (5, 4, 8, 1))[0],
        "kind": draw.choice(("企业自查", "执法检查", "群众举报")),
        "text": draw.choice(_HAZARDS),
        "place": firm.place,
        "due": local_text(at_ms + draw.randint(1, 15) * DAY_MIN * MINUTE_MS),
    }


def _equipment(draw: random.Random, firm: Firm, at_ms: int) -> dict[str, Any]:
    days = draw.choices((draw.randint(60, 700), draw.randint(1, 30), -draw.randint(1, 60)), (8, 3, 1))[0]
    return {
        "kind": draw.choice(("电梯", "压力容器", "锅炉", "叉车", "客运索道")),
        "code": f"TS{draw.randint(10_000_000, 99_999_999)}",
        "action": draw.choice(("定期检验", "使用登记", "到期核查")),
        "status": "在用",
        "result": "合格" if draw.random() < 0.95 else "不合格",
        "company": firm.name,
        "place": firm.place,
        "expires": local_text(at_ms + days * DAY_MIN * MINUTE_MS),
        "days_left": days,
    }


def _project(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    return {
        "name": f"{firm.place[:3]}{draw.choice(('标准厂房', '安置房', '污水管网', '学校扩建', '道路改造'))}项目",
        "kind": draw.choice(("房屋建筑", "市政", "交通")),
        "stage": draw.choice(("立项", "招标", "施工", "验收")),
        "status": draw.choices(("正常", "滞后", "停工"), (14, 3, 1))[0],
        "action": "进度填报",
        "investment": float(draw.randint(300, 90_000)),
        "progress": round(draw.uniform(0, 100), 1),
        "contractor": firm.name,
    }


def _trading(draw: random.Random, firm: Firm, _at_ms: int) -> dict[str, Any]:
    budget = float(draw.randint(40, 4_000) * 10_000)
    share = draw.choices((draw.uniform(0.82, 0.97), draw.uniform(0.985, 0.999), draw.uniform(0.5, 0.7)), (12, 2, 1))[0]
    return {
        "project_no": f"YN2026{draw.randint(1000, 9999)}",
        "name": f"{firm.place[:3]}采购",
        "kind": draw.choice(("工程", "货物", "服务")),
        "stage": draw.choice(("开标", "中标公示")),
        "bidder": firm.name,
        "bidders": draw.choices((1, 2, 3, 5, 8), (1, 1, 6, 6, 3))[0],
        "price": round(budget * share, 2),
        "budget": budget,
        "winner": firm.name,
    }


_KINDS: tuple[Kind, ...] = (
    Kind("complaint", "hotline-12345", 1_500, 0, 24, _complaint),
    Kind("inspection", "market-inspection", 260, 9, 18, _inspection),
    Kind("sampling", "food-sampling", 90, 9, 18, _sampling, frozenset({"餐饮", "学校食堂", "商超", "食品生产"})),
    Kind("permit", "permits", 120, 9, 18, _permit),
    Kind("registration", "registry", 220, 9, 18, _registration),
    Kind("penalty", "penalties", 45, 9, 18, _penalty),
    Kind("credit", "credit", 60, 9, 18, _credit),
    Kind("hazard", "work-safety", 80, 8, 20, _hazard),
    Kind("equipment", "special-equipment", 70, 9, 18, _equipment),
    Kind("project", "projects", 30, 9, 18, _project, frozenset({"建筑"})),
    Kind("trading", "public-trading", 40, 9, 18, _trading),
)


class Filings:
    """All registers of a province, and the canteen's story in them."""

    def __init__(self, province: Province, seed: int) -> None:
        self._seed = seed
        self._firms = {
            kind: [f for f in province.firms if not kind.trades or f.trade in kind.trades] for kind in _KINDS
        }
        self._canteen = next(firm for firm in province.firms if firm.name == CANTEEN)

    def minute(self, minute: int) -> Filed:
        """(arrival in epoch ms, event) of what is filed in a minute, not sorted."""
        draw = random.Random(f"filings/{self._seed}/{minute}")
        hour = minute_of_day(minute) / 60
        filed: Filed = []
        for kind in _KINDS:
            if not kind.opens_h <= hour < kind.closes_h:
                continue
            # People call by day; offices work evenly.
            pace = 1.6 if 8 <= hour < 22 else 0.16
            expected = kind.a_day / ((kind.closes_h - kind.opens_h) * 60) * (pace if kind.opens_h == 0 else 1.0)
            for number in range(_poisson(draw, expected)):
                filed.append(self._event(kind, draw.choice(self._firms[kind]), minute, number, draw))
        filed.extend(self._canteen_story(minute))
        return filed

    def _event(
        self,
        kind: Kind,
        firm: Firm,
        minute: int,
        number: int,
        draw: random.Random,
        told: Mapping[str, object] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        at_ms = minute * MINUTE_MS + draw.randrange(MINUTE_MS)
        return at_ms, {
            "id": f"{kind.feed}-{stamp(minute)}-{number}",
            "feed": kind.feed,
            "source": kind.source,
            "time": local_text(at_ms),
            "region": firm.region,
            "subject": firm.code,
            "lon": firm.lon,
            "lat": firm.lat,
            **kind.fill(draw, firm, at_ms),
            **(told or {}),
        }

    def _canteen_story(self, minute: int) -> Filed:
        first, last, inspected, sampled = CANTEEN_MIN
        now = minute_of_day(minute)
        draw = random.Random(f"canteen/{self._seed}/{minute}")
        complaint, inspection, sampling = _KINDS[:3]
        if first <= now < last and (now - first) % 8 in {0, 3, 5}:
            text = draw.choice(
                ("孩子午饭后呕吐", "同班好几个孩子肚子疼", "食堂饭菜有异味，孩子腹泻", "孩子发烧腹泻，已去医院")
            )
            call = {"category": "食品安全", "text": text, "kind": "举报", "urgency": "紧急"}
            return [self._event(complaint, self._canteen, minute, 900, draw, call)]
        if now == inspected:
            found = "冷藏温度偏高；留样不全；从业人员健康证过期"
            visit = {
                "result": "不合格",
                "score": 4.6,
                "violations": 7,
                "key_violations": 3,
                "kind": "举报核查",
                "text": found,
            }
            return [self._event(inspection, self._canteen, minute, 900, draw, visit)]
        if now == sampled:
            sample = {
                "product": "凉拌米线",
                "item": "菌落总数",
                "value": 860_000.0,
                "limit": 100_000.0,
                "unit": "CFU/g",
            }
            return [
                self._event(sampling, self._canteen, minute, 900, draw, {**sample, "result": "不合格", "stage": "餐饮"})
            ]
        return []


def _poisson(draw: random.Random, expected: float) -> int:
    """A Poisson number (Knuth); for the small expectations here."""
    bound, product, count = 2.718281828459045**-expected, draw.random(), 0
    while product > bound:
        product *= draw.random()
        count += 1
    return count
