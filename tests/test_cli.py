"""The command line as a person meets it: one clear line for each error, and the contract's exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fengsui.cli import main

ROOT = Path(__file__).parent.parent
RULE = """
rules:
  - id: t.over
    title: {zh: 超限, en: Over}
    domain: environment
    feed: sensor
    when: value > limit
    clear_after: 1m
    severity: orange
    summary: {zh: "{subject} {value}", en: "{subject} {value}"}
"""
T0 = "2026-01-01T08:00:00+08:00"


def run(
    *args: object, cwd: Path, given: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fengsui", *map(str, args)],
        cwd=cwd,
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("FENGSUI_")},
            "PYTHONPATH": str(ROOT),
            **(env or {}),
        },
    )


def event(i: int, value: float, second: int) -> bytes:
    body = {
        "id": f"e{i}",
        "feed": "sensor",
        "source": "s",
        "time": f"2026-01-01T00:00:{second:02d}Z",
        "subject": "甲站",
    }
    return json.dumps({**body, "value": value, "limit": 10}).encode() + b"\n"


EVENTS = event(1, 5, 0) + event(2, 11, 10) + event(2, 11, 10) + b"{broken\n" + event(3, 12, 20)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "a.yaml").write_text(RULE)
    return directory


def test_help_is_there_in_both_languages(tmp_path: Path) -> None:
    """Every command is listed, Chinese first."""
    done = run("--help", cwd=tmp_path)
    text = done.stdout.decode()
    assert done.returncode == 0
    for name in ("demo", "up", "replay", "rules", "live", "doctor", "backup", "restore", "token"):
        assert f"\n  {name} " in text
    assert "烽燧" in text
    assert "early warning" in text


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    """The parts that take a second to load are not touched, so help is there at once."""
    code = "import sys; sys.argv=['fengsui','demo','--help']\ntry:\n import fengsui.cli as c; c.main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('polars','numba','numpy','chdb','starlette','uvicorn','msgspec') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_replay_writes_transitions_and_a_summary(tmp_path: Path, rules: Path) -> None:
    """Counts and pace on stderr, one transition a line in the file, which appears when it is whole."""
    (tmp_path / "e.ndjson").write_bytes(EVENTS)
    done = run(
        "replay",
        "e.ndjson",
        "--rules",
        rules,
        "--out",
        "out.ndjson",
        "--until",
        "2026-01-01T08:10:00+08:00",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr.decode()
    made = [json.loads(line) for line in (tmp_path / "out.ndjson").read_bytes().splitlines()]
    assert [t["type"] for t in made] == ["opened", "closed"]
    assert made[0]["at"] == "2026-01-01T00:00:10.000Z"
    assert made[0]["summary"]["zh"] == "甲站 11"
    line = done.stderr.decode().strip()
    assert "read 5, accepted 3, duplicate 1, rejected 1 (bad_json 1)" in line
    assert "events/s" in line
    assert len(line.splitlines()) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


def test_replay_from_and_to_a_pipe(tmp_path: Path, rules: Path) -> None:
    """``-`` is standard input, and standard output; any batch gives the same bytes."""
    whole = run("replay", "-", "--rules", rules, "--out", "-", cwd=tmp_path, given=EVENTS)
    by_one = run("replay", "-", "--rules", rules, "--out", "-", "--batch", 1, cwd=tmp_path, given=EVENTS)
    assert whole.returncode == 0
    assert whole.stdout == by_one.stdout
    assert json.loads(whole.stdout.splitlines()[0])["type"] == "opened"


def test_the_summary_says_where_the_first_bad_line_is(tmp_path: Path, rules: Path) -> None:
    """File, line and what is wrong with it; also that some were after ``--until``, which may be in epoch milliseconds."""
    (tmp_path / "e.ndjson").write_bytes(event(1, 5, 0) + event(2, 11, 10) + b"{broken\n" + event(3, 12, 20) + b"[]\n")
    until = 1_767_225_610_000
    done = run("replay", "e.ndjson", "--rules", rules, "--out", "a", "--until", until, cwd=tmp_path)
    line = done.stderr.decode()
    assert "first rejected e.ndjson:3: bad_json, " in line
    assert "read 5, accepted 2, duplicate 0, rejected 2 (bad_json 2), after --until 1, late 0" in line
    run("replay", "e.ndjson", "--rules", rules, "--out", "b", "--until", "2026-01-01T00:00:10Z", cwd=tmp_path)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_no_room_for_the_output(tmp_path: Path, rules: Path) -> None:
    """One line and exit 3, whatever writes; no traceback when Python ends either."""
    (tmp_path / "e.ndjson").write_bytes(EVENTS)
    done = run("replay", "e.ndjson", "--rules", rules, "--out", "/dev/full", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == [
        "fengsui: /dev/full: no space left to write to; free some, or write elsewhere"
    ]
    for args in (("replay", "e.ndjson", "--rules", str(rules), "--out", "-"), ("rules", "check", str(rules))):
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                [sys.executable, "-m", "fengsui", *args],
                cwd=tmp_path,
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=120,
                check=False,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        assert ended.returncode == 3
        assert len(ended.stderr.splitlines()) == 1, ended.stderr.decode()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("replay", "nope.ndjson", "--out", "-"), 1, "nope.ndjson: no such file"),
        (("replay", ".", "--out", "-"), 1, "directory"),
        (("replay", "-", "--out", "-", "--until", "yesterday"), 2, "RFC 3339"),
        (("replay", "-", "--out", "-", "--batch", "0"), 2, "--batch"),
        (("replay", "-", "--out", "no/such/dir/x"), 1, "cannot be written"),
        (("replay", "--out", "-"), 2, "FILE"),
        (("rules", "check", "nope"), 1, "no such directory"),
        (("rules", "reload"), 3, "no system runs"),
        (("frobnicate",), 2, "No such command"),
        (("up", "--listen", "0.0.0.0:0"), 2, "TLS"),
        (("up", "--listen", "nowhere"), 2, "HOST:PORT"),
        (("token", "rotate"), 1, "no data directory"),
        (("backup", "--to", "b.tar.zst"), 1, "no data directory"),
        (("restore", "--from", "nope"), 1, "no such file"),
    ],
)
def test_errors_are_one_clear_line(
    tmp_path: Path,
    args: tuple[str, ...],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """On stderr, with what to do, and never a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fengsui", *args])
    with pytest.raises(SystemExit) as ended:
        main()
    out, text = capfd.readouterr()
    assert ended.value.code == code, text
    assert says in text
    assert "Traceback" not in text
    assert out == ""
    # of faulty settings there may be several, one a line; what is wrong with the words themselves is one line
    assert len(text.strip().splitlines()) == 1
    assert text.startswith("fengsui: ")


def test_rules_check_tells_every_error_with_its_place(tmp_path: Path, rules: Path) -> None:
    """File, line and column of each, all at once; exit 1."""
    assert run("rules", "check", rules, cwd=tmp_path).returncode == 0
    (rules / "b.yaml").write_text(RULE.replace("t.over", "t.b").replace("value > limit", "valu > limit"))
    (rules / "c.yaml").write_text(RULE.replace("t.over", "t.c").replace("severity: orange", "severity: purple"))
    done = run("rules", "check", rules, cwd=tmp_path)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert any("b.yaml:7:" in line and "valu" in line for line in lines)
    assert any("c.yaml:9:" in line and "purple" in line for line in lines)


def test_the_packs_are_in_order(tmp_path: Path) -> None:
    """The rules that come with the program load, and the doctor agrees."""
    from rules.load import packs_directory

    done = run("rules", "check", packs_directory(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()


def test_doctor_names_what_is_wrong(tmp_path: Path, rules: Path) -> None:
    """Fine: exit 0, every setting with its origin. Faulty rules: exit 1, and where."""
    good = run("doctor", "--rules", rules, "--listen", "127.0.0.1:0", cwd=tmp_path, env={"FENGSUI_ZONE": "UTC"})
    assert good.returncode == 0, good.stdout.decode()
    assert "zone = UTC (FENGSUI_ZONE)" in good.stdout.decode()
    (rules / "a.yaml").write_text("rules: 3")
    bad = run("doctor", "--rules", rules, cwd=tmp_path)
    assert bad.returncode == 1
    assert "a.yaml:1:" in bad.stdout.decode()


def test_misspelt_settings_are_found(tmp_path: Path) -> None:
    """In variables and in the file, with a hint; usage, exit 2."""
    (tmp_path / "fengsui.toml").write_text("lisen = 'x'")
    done = run("doctor", cwd=tmp_path, env={"FENGSUI_RULE": "x"})
    assert done.returncode == 2
    assert "did you mean listen?" in done.stderr.decode()
    assert "did you mean FENGSUI_RULES?" in done.stderr.decode()


def test_the_schema_is_json(tmp_path: Path) -> None:
    """For editors. A directory that is not there is a fault, not the built-in feeds."""
    done = run("rules", "schema", cwd=tmp_path)
    assert json.loads(done.stdout)["type"] == "object"
    missing = run("rules", "schema", "--rules", "nowhere", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (1, b"")
    assert b"nowhere: no such directory of rules" in missing.stderr
