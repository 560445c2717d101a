"""What an editor makes of the schema: yaml-language-server, which VS Code uses, over a real system's address and over a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fengsui.remote import schema_url
from rules.load import packs_directory
from rules.schema import schema
from tests.language_server import SERVER, Editor, editing
from tests.served import serving

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not SERVER.is_file(), reason="needs node and yaml-language-server (make board)"
)
HEAD = "rules:\n  - id: a\n    title: {zh: 甲, en: A}\n    severity: red\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    file = tmp_path_factory.mktemp("schema") / "fengsui.schema.json"
    file.write_text(json.dumps(schema(), ensure_ascii=False), encoding="utf-8")
    with editing(file.as_uri()) as editor:
        yield editor


@pytest.mark.parametrize(
    ("kind", "keys", "others"),
    [
        (
            "",
            {"feed", "by", "only", "when", "clear", "hold", "window", "absent", "sequence", "new", "template"},
            {"measure"},
        ),
        (
            "    window: {tumbling: 1h}\n",
            {"measure", "when", "clear_after", "baseline", "max_open"},
            {"absent", "new", "within"},
        ),
        (
            "    window: {tumbling: 1h}\n    baseline: {last: 3, measure: {m: avg(n)}}\n",
            {"measure", "when"},
            {"memory"},
        ),
        ("    feed: sensor\n    absent: 1h\n", {"where", "expect", "by"}, {"when", "measure", "within"}),
        ("    within: 1h\n    sequence: [{feed: sensor}]\n", {"clear_after", "by"}, {"when", "where", "expect"}),
        ("    feed: sensor\n    new: [metric]\n", {"memory", "learn", "where"}, {"when", "hold", "window"}),
    ],
    ids=["each", "window", "baseline", "absent", "sequence", "new"],
)
def test_the_keys_of_a_kind_are_offered(editor: Editor, kind: str, keys: set[str], others: set[str]) -> None:
    """Those that it has, and none that it has not."""
    offered = set(editor.offers(f"{HEAD}{kind}    |"))
    assert keys <= offered
    assert not others & offered


def test_a_whole_rule_of_each_kind_is_offered(editor: Editor) -> None:
    """As a snippet, where a rule begins."""
    kinds = ("each", "window", "absent", "sequence", "new", "baseline")
    assert {f"{kind} rule" for kind in kinds} <= set(editor.offers("rules:\n  - |"))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("    feed: |", {"sensor", "complaint", "alert"}),
        ("    enabled: |", {"true", "false", "shadow"}),
        ("    feed: sensor\n    by: |", {"subject", "metric", "region"}),
        ("    feed: complaint\n    by:\n      - |", {"category", "region"}),
        ("    feed: sensor\n    when: |", {"value", "limit", "starts_with(…)"}),
        ("    feed: complaint\n    where: |", {"category", "regexp_like(…)"}),
        (
            "    feed: sensor\n    window: {tumbling: 1h}\n    measure:\n      m: |",
            {"count(*)", "avg(…)", "quantile(…)"},
        ),
        ("    window: |", {"tumbling", "hopping", "sliding", "session"}),
        ("    within: 1h\n    sequence:\n      - |", {"feed", "unless", "absent"}),
        ("    only:\n      |", {"workdays", "restdays", "sat"}),
    ],
)
def test_what_may_stand_under_a_key_is_offered(editor: Editor, text: str, offered: set[str]) -> None:
    """Feeds, the fields of the rule's own feed, functions, words."""
    assert offered <= set(editor.offers(HEAD + text))


def test_fields_of_another_feed_are_not_offered(editor: Editor) -> None:
    """A complaint has no metric."""
    assert "metric" not in editor.offers(HEAD + "    feed: complaint\n    by: |")


def test_the_cursor_tells_what_a_key_means(editor: Editor) -> None:
    """In Chinese and English; of a field its title and type."""
    told = editor.tells(HEAD + "    feed: sensor\n    wh|en: value > 5\n")
    assert "报警条件" in told
    assert "the condition of the alert" in told
    assert "监测因子 · Metric (string)" in editor.tells(
        HEAD + "    feed: sensor\n    by: [met|ric]\n    when: value > 5\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("    feed: sensor\n    wen: value > 5\n    when: value > 5\n", 6, "Property wen is not allowed"),
        ("    feed: sensor\n    window: {tumbling: 1h}\n    when: n > 5\n", 2, 'Missing property "measure"'),
        ("    feed: sensro\n    when: value > 5\n", 5, "Value is not accepted"),
        ("    feed: sensor\n    absent: 1h\n    when: value > 5\n", 7, "Property when is not allowed"),
        ("    feed: sensor\n    by: [subject, metrik]\n    when: value > 5\n", 6, "Value is not accepted"),
        ("    feed: sensor\n    hold: 5 minutes\n    when: value > 5\n", 6, "5m"),
    ],
)
def test_a_fault_is_underlined_where_it_stands(editor: Editor, text: str, line: int, message: str) -> None:
    """One fault, one message: nothing of the kinds that were not meant."""
    faults = editor.faults(HEAD + text)
    assert [fault[0] for fault in faults] == [line]
    assert message in faults[0][1]


@pytest.mark.parametrize("path", sorted(packs_directory().rglob("*.yaml")), ids=lambda path: path.name)
def test_the_packs_have_no_fault(editor: Editor, path: Path) -> None:
    """What the loader takes is not underlined."""
    if path.name == "feeds.yaml" or path.name.endswith(".test.yaml"):
        pytest.skip("no file of rules")
    assert editor.faults(path.read_text(encoding="utf-8")) == []


def test_a_running_system_serves_its_own_feeds(tmp_path: Path) -> None:
    """By the address that the command prints: a feed of its own is offered, with its fields."""
    feeds = (
        "feeds:\n  river:\n    title: {zh: 水情, en: River}\n    domain: environment\n    fields:\n"
        "      depth: {type: number, title: {zh: 水深, en: Depth}}\n"
    )
    rules = "rules:\n  - {id: a, title: t, feed: river, when: depth > 1, severity: red}\n"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "feeds.yaml").write_text(feeds, encoding="utf-8")
    with serving(tmp_path, rules=rules) as served:
        served.system.directory.address_file.write_text(served.url, encoding="utf-8")
        with editing(schema_url(served.system.settings)) as editor:
            assert "river" in editor.offers(HEAD + "    feed: |")
            assert "depth" in editor.offers(HEAD + "    feed: river\n    by: |")
