"""The board in a real browser, on the real system: sign in, see an alert come, sign for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.served import Served, serving

BUILT = Path(__file__).parent.parent / "dashboards" / "board" / "dist" / "index.html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
    pytest.mark.skipif(not BUILT.is_file(), reason="needs the board built (make board)"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("board")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """Signed in by a one-time link; whatever the console or the policy complains of fails the test."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai")
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    outside: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(served.url) else outside.append(request.url))
    page.goto(served.url + served.auth.signin_path())
    yield page
    context.close()
    assert complaints == []
    assert [url for url in outside if not url.startswith(("data:", "blob:", served.url.replace("http", "ws")))] == []


def test_an_alert_comes_and_is_signed_for(page: Page, served: Served) -> None:
    """A reading over the limit stands on the board by itself; 认领 makes it acknowledged, and the trail says who."""
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_text("推送")).to_be_visible()
    alert = served.alarm("云岭磷化工 DW001", 13.0, region="530181")
    row = page.locator(f'[data-alert="{alert}"]')
    expect(row).to_be_visible(timeout=10_000)
    expect(row).to_contain_text("酸碱度过高")
    expect(row).to_contain_text("红")
    row.click()
    drawer = page.locator("aside.drawer")
    expect(drawer).to_contain_text("云岭磷化工 DW001 pH 13.0")
    drawer.get_by_role("button", name="认领").click()
    expect(row).to_contain_text("已认领", timeout=10_000)
    expect(drawer).to_contain_text("admin")
    assert served.client.get(f"/api/v1/alerts/{alert}").json()["state"] == "acked"


def test_the_rule_is_explained_in_the_drawer(page: Page, served: Served) -> None:
    """规则说明 is folded until asked for, then says in words what the rule does."""
    alert = served.alarm("丁站", 9.5)
    page.goto(f"{served.url}/?alert={alert}")
    drawer = page.locator("aside.drawer")
    fold = drawer.get_by_role("button", name="规则说明")
    expect(fold).to_have_attribute("aria-expanded", "false", timeout=10_000)
    expect(drawer).not_to_contain_text("何时报警")
    fold.click()
    expect(drawer).to_contain_text("当监测值超过 9 时。", timeout=10_000)
    page.goto(f"{served.url}/?alert={alert}&lang=en")
    drawer.get_by_role("button", name="What the rule does").click()
    expect(drawer).to_contain_text("When the value is above 9.", timeout=10_000)


def test_filters_live_in_the_address(page: Page, served: Served) -> None:
    """A filtered board can be sent to a colleague: the address holds it, in either language."""
    orange = served.alarm("甲站", 9.5, region="530102")
    red = served.alarm("乙站", 13.5, region="530102")
    page.goto(f"{served.url}/?severity=red&lang=en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(f'[data-alert="{red}"]')).to_be_visible(timeout=10_000)
    expect(page.locator(f'[data-alert="{orange}"]')).to_have_count(0)


def test_hostile_words_stay_words(page: Page, served: Served) -> None:
    """Names from outside are text, never markup."""
    alert = served.alarm("<img src=x onerror=alert(1)>", 12.5)
    row = page.locator(f'[data-alert="{alert}"]')
    expect(row).to_contain_text("<img src=x onerror=alert(1)>", timeout=10_000)


def test_without_a_session_it_says_how_to_sign_in(browser: Browser, served: Served) -> None:
    """Nobody sees an alert without having signed in."""
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(served.url)
    expect(page.get_by_text("登录").first).to_be_visible(timeout=10_000)
    expect(page.locator("[data-alert]")).to_have_count(0)
    context.close()


def test_refused_rules_are_told_and_go_away(page: Page, served: Served) -> None:
    """A bar names the first fault with its place, how many more, and since when; mended, it goes by itself. In both languages."""
    file = served.system.rules_directory / "rules.yaml"
    good = file.read_text(encoding="utf-8")
    expect(page.get_by_text("推送")).to_be_visible()
    bar = page.locator("section.refused")
    expect(bar).to_have_count(0)
    try:
        file.write_text(good.replace("value > 9\n", "valeu > 9\n"), encoding="utf-8")
        expect(bar).to_contain_text("新规则有误，未生效", timeout=15_000)
        expect(bar).to_contain_text("rules.yaml:8:11")
        expect(bar).to_contain_text("valeu")
        bar.get_by_role("button", name="还有 1 处").click()
        expect(bar).to_contain_text("rules.yaml:25:11")
        expect(bar).to_contain_text("生效的规则运行")
        expect(page.locator("[data-alert]").first).to_be_visible()  # the board stays what it is
        expect(page.locator(".stale")).to_have_count(0)  # and nothing is late
        page.goto(f"{served.url}/?lang=en")
        expect(bar).to_contain_text("New rules refused", timeout=15_000)
        expect(bar).to_contain_text("1 more")
        page.goto(f"{served.url}/?lang=zh")
    finally:
        file.write_text(good, encoding="utf-8")
    expect(bar).to_have_count(0, timeout=15_000)


def test_alerts_on_trial_are_behind_a_switch(page: Page, served: Served) -> None:
    """Operators find it beside the filters; they are listed with their mark, and counted nowhere."""
    served.alarm("试用站", 9.7)
    expect(page.locator("[data-alert]").first).to_be_visible(timeout=10_000)
    expect(page.locator("[data-alert].blue")).to_have_count(0)
    counted = page.locator(".counter .number").all_inner_texts()
    page.get_by_role("button", name="试运行", exact=True).click()
    trial = page.locator("[data-alert].blue").first
    expect(trial).to_be_visible(timeout=10_000)
    expect(trial.locator(".tag")).to_have_text("试运行")
    assert page.locator(".counter .number").all_inner_texts() == counted
    trial.click()
    expect(page.locator("aside.drawer .tag")).to_have_text("试运行")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="试运行", exact=True).click()
    expect(page.locator("[data-alert].blue")).to_have_count(0)
