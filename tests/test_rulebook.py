"""The rule book in a running system: files change, are refused and mended, and everyone who asks is told."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fengsui.rule_watch import look
from rules.changes import Changes, changes_between
from rules.errors import RuleErrors
from rules.load import load_rules
from tests.served import RULES, Served, serving

HEAD = "rules:\n  - title: {zh: 试验, en: Trial}\n    domain: environment\n    feed: sensor\n    severity: red\n"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as running:
        yield running


def file(served: Served) -> Path:
    return served.system.rules_directory / "rules.yaml"


def summary(served: Served) -> dict[str, Any]:
    return dict(served.client.get("/api/v1/board/summary").json()["rules"])


def metric(served: Served, name: str) -> float:
    text = served.client.get("/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[-1])


def test_a_save_takes_force_by_itself(served: Served) -> None:
    """Nobody asks for it; the version, the position and the time of the new set are told."""
    before = served.client.get("/api/v1/rules").json()["in_force"]
    assert (before["count"], before["on"], before["shadow"], before["off"]) == (3, 2, 1, 0)
    file(served).write_text(
        RULES + "  - id: t.new\n" + HEAD.partition("- ")[2].replace("title", "    title", 1) + "    when: value > 99\n"
    )
    served.until(lambda: served.client.get("/api/v1/rules").json()["in_force"]["count"] == 4)
    after = served.client.get("/api/v1/rules").json()["in_force"]
    assert after["position"] > before["position"]
    assert after["since"] > before["since"]
    assert after["version"] != before["version"]
    served.until(lambda: metric(served, 'fengsui_rules_reloads_total{outcome="activated"}') == 2)
    assert metric(served, 'fengsui_rules{mode="on"}') == 3
    assert metric(served, "fengsui_rules_activation_seconds_count") == 2


def test_the_engine_need_not_load_what_was_loaded(served: Served) -> None:
    """It would stand still meanwhile: seconds for a thousand rules. Lists and feeds of the bundle are compared, too."""
    directory = served.system.rules_directory
    (directory / "watched.csv").write_text("站甲\n")
    file(served).write_text(RULES.replace("value > 9\n", "value > 9 AND subject NOT IN list('watched.csv')\n"))
    served.until(lambda: "watched" in str(served.system.runner.ruleset.rules[1].when))
    served.system.rulebook.reload()
    assert served.system.runner.ruleset is served.system.rulebook.in_force.ruleset


def test_a_refusal_stays_visible_until_it_is_mended(served: Served) -> None:
    """On the summary with the first faults and their places, in metrics, and in readyz, which still says ready."""
    since = summary(served)["since"]
    file(served).write_text(RULES.replace("value > 9\n", "valeu > 9\n").replace("severity: yellow", "severity: pink"))
    refused = served.until(lambda: summary(served)["refused"])
    assert refused["faults"] == 3
    places = [(e["file"], e["line"], e["column"]) for e in refused["errors"]]
    assert places == [("rules.yaml", 8, 11), ("rules.yaml", 19, 15), ("rules.yaml", 25, 11)]
    assert "valeu" in refused["errors"][0]["message"]
    assert summary(served)["since"] == since
    assert metric(served, "fengsui_rules_refused") == 1
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    reason = next(one for one in ready.json()["reasons"] if one["part"] == "rules")
    assert reason["level"] == "notice"
    assert "valeu" not in ready.text  # anyone may ask this
    assert served.client.get("/api/v1/board/summary").json()["health"] == "ok"
    served.alarm("旧规则", 9.5)  # and the old ones go on
    # Another fault is not another refusal: the files are out of force since the first.
    file(served).write_text("rules: 1\n")
    again = served.until(lambda: (r := summary(served)["refused"])["faults"] == 1 and r)
    assert again["since"] == refused["since"]
    file(served).write_text(RULES)
    served.until(lambda: summary(served)["refused"] is None)
    assert metric(served, "fengsui_rules_refused") == 0
    assert not served.client.get("/readyz").json()["reasons"]
    assert summary(served)["since"] == since  # the same texts: nothing was put in force anew


def test_who_is_not_an_operator_sees_that_there_are_faults_but_not_which(served: Served) -> None:
    """Rule texts are for those who keep them."""
    from dashboards.server.auth import Principal
    from dashboards.server.rules import standing

    file(served).write_text("rules: 1\n")
    served.until(lambda: summary(served)["refused"])
    services = served.app.state.services
    assert standing(services, Principal("x", "ops", "session"))["refused"]["errors"]
    told = standing(services, Principal("x", "viewer", "session"))["refused"]
    assert (told["faults"], told["errors"]) == (1, [])


def test_a_reload_says_what_changed(served: Served) -> None:
    """By rule: a new title changes nothing; another threshold, and shadow to on, do."""
    served.system.rulebook.reload()
    changed = (
        RULES.replace("食品安全投诉", "食品投诉")
        .replace("value > 12", "value > 13")
        .replace("enabled: shadow", "enabled: true")
    )
    file(served).write_text(changed.replace("t.food", "t.eat"))
    told = served.client.post("/api/v1/rules/reload").json()
    if told["position"] is not None:  # else the watch was quicker
        assert told["changes"] == {
            "added": ["t.eat"],
            "removed": ["t.food"],
            "changed": ["t.ph", "t.shadow"],
            "unchanged": [],
        }
    assert told["in_force"]["shadow"] == 0
    again = served.client.post("/api/v1/rules/reload").json()
    assert again["position"] is None
    assert again["in_force"] == served.client.get("/api/v1/rules").json()["in_force"]
    assert len(again["changes"]["unchanged"]) == 3


def test_changes_are_told_by_meaning() -> None:
    """Order, comments and titles are no changes; modes are."""
    old = load_rules({"a.yaml": RULES})
    assert changes_between(old, load_rules({"b.yaml": "# moved\n" + RULES})) == Changes(
        unchanged=("t.food", "t.ph", "t.shadow")
    )
    off = load_rules({"a.yaml": RULES.replace("enabled: shadow", "enabled: false")})
    assert changes_between(old, off) == Changes(changed=("t.shadow",), unchanged=("t.food", "t.ph"))
    assert changes_between(old, load_rules({})).removed == ("t.food", "t.ph", "t.shadow")


def test_rules_tell_their_alerts(served: Served) -> None:
    """How many stand open, by rule."""
    for number in range(3):
        served.alarm(f"站{number}")
    found = {rule["id"]: rule["alerts"] for rule in served.client.get("/api/v1/rules").json()["items"]}
    assert found["t.ph"] == {"unresolved": 3, "active": 3}
    assert found["t.food"] == {"unresolved": 0, "active": 0}
    alert = served.client.get("/api/v1/alerts", params={"subject": "站0"}).json()["items"][0]["alert"]
    served.client.post(f"/api/v1/alerts/{alert}/resolve")
    served.post(served.event(subject="站1", value=1.0))
    served.until(
        lambda: (
            served.client.get("/api/v1/rules", params={"rule": "t.ph"}).json()["items"][0]["alerts"]
            == {"unresolved": 2, "active": 1}
        )
    )


@pytest.mark.parametrize("accident", ["no directory", "no files", "an empty file"])
def test_rules_that_vanish_by_accident_stay_in_force(served: Served, accident: str) -> None:
    """A mount that went away or a disk that filled up while an editor saved must not close every alert."""
    alert = served.alarm("站甲")
    directory = served.system.rules_directory
    shutil.copytree(directory, directory.with_name("kept"))
    if accident == "an empty file":
        file(served).write_text(" \n")
    else:
        shutil.rmtree(directory)
        if accident == "no files":
            directory.mkdir()
    served.until(lambda: summary(served)["refused"])
    assert summary(served)["count"] == 2
    assert served.client.get(f"/api/v1/alerts/{alert}").json()["condition"] == "active"
    shutil.copytree(directory.with_name("kept"), directory, dirs_exist_ok=True)
    served.until(lambda: summary(served)["refused"] is None)
    # What is meant is written down.
    file(served).write_text("rules: []\n")
    served.until(lambda: summary(served)["count"] == 0)
    closed = served.until(
        lambda: (a := served.client.get(f"/api/v1/alerts/{alert}").json())["condition"] == "cleared" and a
    )
    assert closed["reason"] == "rule_removed"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: for a while, this process is somebody else."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("shut", ["deep", "deep/b.yaml"])
def test_what_cannot_be_read_is_a_fault(shut: str) -> None:
    """Its rules are not taken for gone; when it can be read again, that is a change."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        directory.chmod(0o755)
        (directory / "deep").mkdir()
        (directory / "deep" / "b.yaml").write_text(RULES)
        before = look(directory)
        (directory / shut).chmod(0)
        with as_nobody():
            assert look(directory) != before
            with pytest.raises(RuleErrors, match="cannot be read") as refused:
                load_rules(directory)
            assert refused.value.errors[0].file == shut
        (directory / shut).chmod(0o755)


def test_reloads_take_turns(served: Served) -> None:
    """Several at once, while the file changes: in the end the newest text is in force, and nothing was put in force twice."""
    answers: list[dict[str, Any]] = []

    def ask(number: int) -> None:
        file(served).write_text(RULES.replace("value > 9\n", f"value > 9.{number}\n"))
        answers.append(served.client.post("/api/v1/rules/reload").json())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    served.until(lambda: served.system.runner.ruleset.bundle == load_rules(served.system.rules_directory).bundle)
    positions = [answer["position"] for answer in answers if answer.get("position")]
    assert len(set(positions)) == len(positions)


def test_no_room_for_the_change(tmp_path: Path) -> None:
    """Good rules that the log cannot take: a 503, the old ones stay, it shows as refused, and it goes in when there is room."""
    with serving(tmp_path, log_max_gb=0.0003) as served:
        noise = random.Random(1).randbytes(450_000).hex()
        file(served).write_text(RULES.replace("value > 9\n", "value > 8\n") + f"# {noise}\n")
        answer = served.client.post("/api/v1/rules/reload")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        refused = served.until(lambda: summary(served)["refused"])
        assert "cannot be put in force now" in refused["errors"][0]["message"]
        assert metric(served, 'fengsui_rules_reloads_total{outcome="failed"}') >= 1
        file(served).write_text(RULES.replace("value > 9\n", "value > 8\n"))
        served.until(lambda: summary(served)["refused"] is None)
        served.alarm("站甲", 8.5)
