"""``up`` and ``demo`` from end to end: processes, files, HTTP."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.running import alerts, environment, eventually, running

RULE = """
rules:
  - id: t.over
    title: {zh: 超限, en: Over}
    domain: environment
    feed: sensor
    when: value > limit
    severity: orange
    summary: {zh: "{subject} {value}", en: "{subject} {value}"}
"""


def body(*values: float, start: int = 0) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return b"".join(
        json.dumps(
            {
                "id": f"e{i}",
                "feed": "sensor",
                "source": "s",
                "time": now,
                "subject": f"站{i}",
                "value": value,
                "limit": 10,
            }
        ).encode()
        + b"\n"
        for i, value in enumerate(values, start)
    )


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "a.yaml").write_text(RULE)
    return directory


def refused(tmp_path: Path, *args: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "fengsui", "up", *map(str, args)],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
        env=environment(),
    )
    assert done.stdout == b""
    assert "Traceback" not in done.stderr.decode()
    return done.returncode, done.stderr.decode()


def test_a_day_in_the_life(tmp_path: Path, rules: Path) -> None:
    """Start, sign in, post, see the alert with its evidence, acknowledge it, reload rules, stop; start again: all is there."""
    data = tmp_path / "data"
    with running("up", data, "--rules", rules, "--no-watch") as up:
        assert (data / "admin.token").stat().st_mode & 0o777 == 0o600
        with httpx.Client() as browser:
            assert browser.get(up.link).status_code == 303
            assert browser.get(f"{up.address}/api/v1/me").json()["via"] == "session"
            assert "expired" in httpx.get(up.link).headers["location"]
        with up.client() as client:
            answer = client.post("/api/v1/events", content=body(5, 11, 12) + b"{broken\n")
            assert answer.status_code == 202
            assert answer.json()["accepted"] == 3
            assert answer.json()["rejected"][0]["reason"] == "bad_json"
            assert client.post("/api/v1/events", content=body(11, start=1)).json()["duplicate"] == 1
            found = eventually(lambda: len(alerts(client)) == 2 and alerts(client))
            first = found[0]["alert"]
            shown = eventually(lambda: (it := client.get(f"/api/v1/alerts/{first}").json()).get("events") and it)
            assert shown["events"][0]["value"] > 10
            assert client.post(f"/api/v1/alerts/{first}/ack", json={"note": "看过"}).json()["state"] == "acked"
            assert client.post(f"/api/v1/alerts/{first}/ack").status_code == 409
            assert client.get("/readyz").status_code == 200
            (rules / "a.yaml").write_text(RULE.replace("value > limit", "value > 2 * limit"))
            assert client.post("/api/v1/rules/reload").json()["position"]
            (rules / "a.yaml").write_text(RULE.replace("value", "valeur"))
            assert client.post("/api/v1/rules/reload").status_code == 409
        assert up.stop() == 0
    # The rules are still broken: the last good ones go on, and the heartbeat says so.
    with running("up", data, "--rules", rules) as up, up.client() as client:
        again = {alert["alert"]: alert for alert in alerts(client)}
        assert again[first]["state"] == "acked"
        assert len(again) == 2
        assert client.get("/api/v1/board/summary").json()["rules"]["refused"]["faults"]
        client.post("/api/v1/events", content=body(15, 25, start=10))
        eventually(lambda: [alert for alert in alerts(client) if alert["subject"] == "站11"])
        assert not [alert for alert in alerts(client) if alert["subject"] == "站10"]
        assert up.stop(signal.SIGINT) == 0


def test_one_process_a_directory(tmp_path: Path, rules: Path) -> None:
    """The second one says so and exits 3; so does one whose port is taken, or whose directory is of a newer version."""
    data = tmp_path / "data"
    with running("up", data, "--rules", rules) as up:
        code, text = refused(tmp_path, "--data", data, "--rules", rules, "--listen", "127.0.0.1:0")
        assert code == 3
        assert "in use" in text
        port = up.address.rpartition(":")[2]
        code, text = refused(tmp_path, "--data", tmp_path / "other", "--rules", rules, "--listen", f"127.0.0.1:{port}")
        assert code == 3
        assert "--listen" in text
        assert up.stop() == 0
    (data / "VERSION").write_text("999\n")
    code, text = refused(tmp_path, "--data", data, "--rules", rules, "--listen", "127.0.0.1:0")
    assert code == 3
    assert "newer version" in text


def test_faulty_rules_at_the_first_start(tmp_path: Path, rules: Path) -> None:
    """Exit 1 with every error's place: there are no earlier rules to go on with."""
    (rules / "a.yaml").write_text(RULE.replace("value > limit", "valu > limit"))
    code, text = refused(tmp_path, "--rules", rules, "--listen", "127.0.0.1:0")
    assert code == 1
    assert "a.yaml:7:" in text


def test_commands_about_a_running_system(tmp_path: Path, rules: Path) -> None:
    """Doctor, reload, backup and token rotation work beside it; the old token ends, the backup restores."""
    data = tmp_path / "data"

    def command(*args: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fengsui", *map(str, args)],
            cwd=tmp_path,
            capture_output=True,
            timeout=120,
            check=False,
            env=environment(),
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        return done.stdout.decode()

    with running("up", data, "--rules", rules) as up, up.client() as client:
        client.post("/api/v1/events", content=body(11, 12, 13))
        eventually(lambda: len(alerts(client)) == 3)
        assert up.address in command("doctor", "--data", data, "--rules", rules)
        assert "1 rules in force" in command("rules", "reload", "--data", data)
        command("backup", "--data", data, "--to", tmp_path / "b.tar.zst")
        command("token", "rotate", "--data", data)
        assert client.get("/api/v1/alerts").status_code == 401
        with up.client() as renewed:
            assert renewed.get("/api/v1/alerts").status_code == 200
        assert up.stop() == 0
    command("restore", "--from", tmp_path / "b.tar.zst", "--data", tmp_path / "restored")
    with running("up", tmp_path / "restored", "--rules", rules) as up, up.client() as client:
        assert len(alerts(client)) == 3


def test_the_demo_shows_alerts_soon(tmp_path: Path) -> None:
    """The first alerts stand within seconds, of several domains' feeds; it goes on where it stopped."""
    data = tmp_path / "demo"
    began = time.monotonic()
    with running("demo", data, "--speed", "600") as demo, demo.client() as client:
        eventually(lambda: alerts(client, limit=1))
        took = time.monotonic() - began
        print(f"first alert after {took:.1f} s")
        # 15 s on a machine of its own; tests share theirs.
        assert took < 60
        summary = eventually(
            lambda: (it := client.get("/api/v1/board/summary").json())["alerts"]["unresolved"] >= 5 and it
        )
        assert summary["health"] != "stalled"
        assert sum(feed["accepted"] > 0 for feed in summary["feeds"]) >= 4
        now = {"id": "real", "feed": "sensor", "source": "test", "time": time.time_ns() // 1_000_000, "quality": "N"}
        mine = {**now, "subject": "试用 G-01", "metric": "gas_lel", "value": 60, "unit": "%LEL", "region": "530102"}
        assert client.post("/api/v1/events", json=[mine]).json()["accepted"] == 1  # a visitor tries it out
        eventually(lambda: alerts(client, subject="试用 G-01"))
        before = summary["seq"]
        assert demo.stop() == 0
    with running("demo", data, "--speed", "600") as demo, demo.client() as client:
        assert client.get("/api/v1/board/summary").json()["seq"] >= before
        assert demo.stop() == 0


def test_ports_are_given_back(tmp_path: Path, rules: Path) -> None:
    """After the end nothing listens any more, and the address file is gone."""
    data = tmp_path / "data"
    with running("up", data, "--rules", rules) as up:
        assert (data / "address").read_text().strip() == up.address
        assert up.stop() == 0
        host, port = up.address.removeprefix("http://").split(":")
        with socket.socket() as probe:
            assert probe.connect_ex((host, int(port))) != 0
    assert not (data / "address").exists()
